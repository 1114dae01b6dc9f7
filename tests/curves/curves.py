"""Loss curves of Bonsai and PyTorch from the same weights on the same batches.

    cmake --build build --target bonsai_loss_curve
    python3 tests/curves/curves.py vgg_small resnet20 [--steps 200]

Prints a table: per network the loss at the start and the mean of the last 20 steps in both, and how
far the curves are apart, the mean over all steps. Training is chaotic, so that rounding alone parts
two curves: the last column is the distance between PyTorch and PyTorch with first weights that
differ by one part in 10^6. Curves agree when theirs is of that size. --json FILE keeps the curves.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path += [str(ROOT / "tests" / "fixtures"), str(ROOT / "apps" / "bench")]

from torch_nets import NETS  # noqa: E402
from training_step import numbers  # noqa: E402

BATCH, SIZE, CLASSES = 32, 32, 10
MAPS = {"vgg_small": 4}  # side of the map that a network flattens, where it is not 1
TEMPLATES, LABELS, NOISE = 5000, 6000, 100000  # streams, as in loss_curve.cpp


def set_weights(net, side, disturbance):
    for i, (name, parameter) in enumerate(net.named_parameters()):
        if parameter.dim() == 1:
            parameter.data.fill_(0 if name.endswith("bias") else 1)
            continue
        bound = (6 / parameter[0].numel()) ** 0.5
        x = numbers(parameter.shape, i) * bound * (1 + disturbance)
        if x.dim() == 2:  # Bonsai flattens height, width, channels; PyTorch channels first
            x = x.reshape(len(x), side, side, -1).permute(0, 3, 1, 2).reshape(len(x), -1)
        parameter.data = x.float().contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.float()


def batch_of(step, templates):
    chance = numbers((BATCH,), LABELS + step)
    labels = ((chance + 1) / 2 * CLASSES).long()
    noise = numbers((BATCH, SIZE, SIZE, 3), NOISE + step)
    x = (templates[labels] / 4 + noise).float().permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last), labels


def losses_in_pytorch(name, steps, disturbance=0.0):
    net = NETS[name]().to(memory_format=torch.channels_last)
    set_weights(net, MAPS.get(name, 1), disturbance)
    sgd = torch.optim.SGD(net.parameters(), 0.002, momentum=0.9, nesterov=True, weight_decay=5e-4)
    templates = torch.stack([numbers((SIZE, SIZE, 3), TEMPLATES + k) for k in range(CLASSES)])
    losses = []
    for step in range(steps):
        x, labels = batch_of(step, templates)
        sgd.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x), labels, label_smoothing=0.1)
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def losses_in_bonsai(program, name, steps):
    run = subprocess.run([program, name, str(steps)], check=True, capture_output=True, text=True)
    return [float(line) for line in run.stdout.split()]


def distance(a, b):
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)


def end(losses):
    return sum(losses[-20:]) / len(losses[-20:])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("nets", nargs="+", choices=NETS, metavar="NET")
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--program", default=str(ROOT / "build" / "bonsai_loss_curve"))
    p.add_argument("--json")
    a = p.parse_args()
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    curves = {}
    print("| network | first loss | PyTorch | last 20 | PyTorch | apart | PyTorch from itself |")
    print("|---|---|---|---|---|---|---|")
    for name in a.nets:
        ours = losses_in_bonsai(a.program, name, a.steps)
        theirs = losses_in_pytorch(name, a.steps)
        disturbed = losses_in_pytorch(name, a.steps, 1e-6)
        curves[name] = {"bonsai": ours, "pytorch": theirs, "pytorch_disturbed": disturbed}
        print(f"| {name} | {ours[0]:.6f} | {theirs[0]:.6f} | {end(ours):.4f} | {end(theirs):.4f} "
              f"| {distance(ours, theirs):.4f} | {distance(theirs, disturbed):.4f} |", flush=True)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(
            {"torch": torch.__version__, "steps": a.steps, "curves": curves}) + "\n")


if __name__ == "__main__":
    main()
