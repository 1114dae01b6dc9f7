"""Test accuracy against seconds of training in PyTorch, as `bonsai speedrun` counts them.

`python3 torch_speedrun.py DATA --net airbench93 --out FILE.json` trains by Jordan's recipe (2024,
arXiv:2404.00498), as published: DATA holds {train,test}/<class>/*.jpg, whose decoded arrays go to
--cache. fp32, channels_last (the quickest layout here). Seconds are those of whitening, augmentation
and steps; tests are not counted. Accuracies: plain, with the mirror image (`flip`), and with the two
shifted pictures as well (`tta`). Needs PyTorch, NumPy and Pillow.
"""
import argparse
import copy
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

WIDE = {"airbench93": 128, "airbench94": 256}


def load(root, split, cache):
    path = os.path.join(cache, f"cifar_{split}.npz")
    if not os.path.exists(path):
        classes = sorted(os.listdir(f"{root}/{split}"))
        files = [(f"{root}/{split}/{c}/{f}", i) for i, c in enumerate(classes)
                 for f in sorted(os.listdir(f"{root}/{split}/{c}"))]
        x = np.stack([np.asarray(Image.open(f).convert("RGB")) for f, _ in files])
        np.savez(path, x=x.transpose(0, 3, 1, 2), y=np.array([i for _, i in files]))
    data = np.load(path)
    return torch.from_numpy(data["x"]), torch.from_numpy(data["y"])


def norm(channels):
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


def conv(cin, cout):
    layer = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:cin])
    return layer


def group(cin, cout):
    return [conv(cin, cout), nn.MaxPool2d(2), norm(cout), nn.GELU(), conv(cout, cout), norm(cout), nn.GELU()]


class Airbench(nn.Sequential):
    def __init__(self, wide):
        super().__init__(nn.Conv2d(3, 24, 2), nn.GELU(), *group(24, 64), *group(64, wide), *group(wide, wide),
                         nn.MaxPool2d(3), nn.Flatten(), nn.Linear(wide, 10, bias=False))
        self[0].bias.data.zero_()

    def forward(self, x):
        return super().forward(x) / 9

    def whiten(self, images):
        patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / torch.sqrt(values + 5e-4)).T.flip(0).reshape(12, 3, 2, 2)
        self[0].weight.data.copy_(torch.cat((filters, -filters)))
        self[0].weight.requires_grad = False


class Lookahead:
    def __init__(self, net):
        self.slow = copy.deepcopy(net.state_dict())

    def update(self, net, decay):
        for slow, fast in zip(self.slow.values(), net.state_dict().values()):
            if fast.is_floating_point():
                slow.lerp_(fast, 1 - decay)
                fast.copy_(slow)


def cropped(padded, pad, size):
    shifts = torch.randint(0, 2 * pad + 1, (2, len(padded)))
    out = torch.empty(len(padded), padded.shape[1], size, size)
    for dy in range(2 * pad + 1):
        for dx in range(2 * pad + 1):
            chosen = (shifts[0] == dy) & (shifts[1] == dx)
            out[chosen] = padded[chosen, :, dy:dy + size, dx:dx + size]
    return out


def last(x):
    return x.contiguous(memory_format=torch.channels_last)


def accuracies(net, x, y):
    net.eval()
    right = torch.zeros(3, dtype=torch.int64)
    with torch.no_grad():
        for i in range(0, len(x), 500):
            images, labels = x[i:i + 500], y[i:i + 500]

            def mirrored(inputs):
                return (net(last(inputs)) + net(last(inputs.flip(-1)))) / 2

            plain, flip = net(last(images)), mirrored(images)
            padded = F.pad(images, (1,) * 4, "reflect")
            shifted = (mirrored(padded[:, :, 0:32, 0:32]) + mirrored(padded[:, :, 2:34, 2:34])) / 2
            for k, logits in enumerate((plain, flip, (flip + shifted) / 2)):
                right[k] += (logits.argmax(1) == labels).sum()
    return dict(zip(("plain", "flip", "tta"), (right / len(x)).tolist()))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data")
    p.add_argument("--net", choices=WIDE, default="airbench93")
    p.add_argument("--epochs", type=int, default=11)
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--cache", default=".")
    p.add_argument("--out", required=True)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(a.seed)
    (x, y), (x_test, y_test) = load(a.data, "train", a.cache), load(a.data, "test", a.cache)

    start = time.perf_counter()
    mean, std = ((f(x.float() / 255, (0, 2, 3))).view(1, 3, 1, 1) for f in (torch.mean, torch.std))
    x, x_test = ((i.float() / 255 - mean) / std for i in (x, x_test))
    net = Airbench(WIDE[a.net])
    net.whiten(x[torch.randperm(len(x))[:5000]])
    net = net.to(memory_format=torch.channels_last)

    momentum, steps = 0.85, len(x) // a.batch * a.epochs
    kilostep = 1024 * (1 + 1 / (1 - momentum))
    rate, decay, bias_rate = 11.5 / kilostep, 0.0153 * a.batch / kilostep, 64
    biases = [v for k, v in net.named_parameters() if v.requires_grad and v.dim() == 1 and not k.startswith("0.")]
    others = [v for k, v in net.named_parameters() if v.requires_grad and (v.dim() > 1 or k.startswith("0."))]
    sgd = torch.optim.SGD([dict(params=biases, lr=rate * bias_rate, weight_decay=decay / (rate * bias_rate)),
                           dict(params=others, lr=rate, weight_decay=decay / rate)], momentum=momentum, nesterov=True)
    shares = np.interp(np.arange(steps + 1), [0, int(0.23 * steps), steps], [0.2, 1, 0.07])
    schedule = torch.optim.lr_scheduler.LambdaLR(sgd, lambda i: shares[i])
    keep = 0.95 ** 5 * (np.arange(steps + 1) / steps) ** 3
    lookahead = Lookahead(net)

    flipped = torch.rand(len(x)) < 0.5
    x[flipped] = x[flipped].flip(-1)
    padded = F.pad(x, (2,) * 4, "reflect")
    del x
    seconds, step, history = time.perf_counter() - start, 0, []
    for epoch in range(1, a.epochs + 1):
        start = time.perf_counter()
        net.train()
        net[0].bias.requires_grad = epoch <= 3
        images = cropped(padded, 2, 32)
        if epoch % 2 == 0:
            images = images.flip(-1)
        losses, order = 0.0, torch.randperm(len(images))
        for i in range(0, len(images) - a.batch + 1, a.batch):
            chosen = order[i:i + a.batch]
            loss = F.cross_entropy(net(last(images[chosen])), y[chosen], label_smoothing=0.2, reduction="sum")
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
            schedule.step()
            losses += loss.item() / a.batch
            step += 1
            if step % 5 == 0:
                lookahead.update(net, keep[step])
        if epoch == a.epochs:
            lookahead.update(net, 1.0)
        del images
        seconds += time.perf_counter() - start
        history.append(dict(epoch=epoch, loss=losses / (len(order) // a.batch), seconds=seconds,
                            **accuracies(net, x_test, y_test)))
        print(json.dumps(history[-1]), flush=True)
        with open(a.out, "w") as f:
            json.dump(dict(engine=f"PyTorch {torch.__version__}", net=a.net, epochs=a.epochs, batch=a.batch,
                           seed=a.seed, threads=a.threads, history=history), f, indent=1)


if __name__ == "__main__":
    main()
