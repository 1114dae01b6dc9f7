"""Images per second of a full training step in PyTorch, as `bonsai bench NET --train` counts them.

`python3 torch_step.py NET --batch 128 --threads 2` prints one JSON object: images_per_s, step_ms
(median), peak_rss_bytes, torch (its version), compiled. fp32, SGD with Nesterov momentum, label
smoothing, channels_last (the quickest layout here). --compile: through torch.compile, which needs
PyTorch 2 and a C++ compiler. Start it with OPENBLAS_NUM_THREADS=1 and, where installed, jemalloc
preloaded, which PyTorch profits from.
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F

from torch_nets import NETS


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=NETS)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--compile", action="store_true")
    a = p.parse_args()
    if a.compile and not hasattr(torch, "compile"):
        p.error(f"PyTorch {torch.__version__} has no torch.compile, should be 2.0 or later")
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    net = NETS[a.net]().to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    x = torch.randn(a.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(a.batch) % 10
    forward = torch.compile(net) if a.compile else net

    def step():
        sgd.zero_grad(set_to_none=True)
        F.cross_entropy(forward(x), labels, label_smoothing=0.1).backward()
        sgd.step()

    step(), step()
    times = []
    while sum(times) < a.seconds or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    print(json.dumps({"torch": torch.__version__, "compiled": a.compile, "images_per_s": a.batch / median,
                      "step_ms": median * 1e3,
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
