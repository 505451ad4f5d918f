"""Packs against the alternatives, in one run: the same 48 configurations, 5 epochs each, on MNIST.

    python -m tests.benchmarks.packs --data-dir DIR [--trials 48] [--epochs 5] [--pack 24] [--only ours packs]

The ways are those of ``throughput``, with packs of a fixed size. All are timed as whole processes, imports included.
The share of the machine: the rate of the searches' float32 matrix products, divided by the rate that all cores reach
with such products.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch

from tests.benchmarks.configurations import configurations
from tests.benchmarks.throughput import report, runs

BATCH_SIZES = (64, 128, 256)
TRAIN, VAL, PIXELS, CLASSES = 55_000, 5_000, 784, 10


def products(trials: int, epochs: int) -> float:
    """Floating-point operations in the matrix products of the whole list.

    Two a weight and image forward; as many for a weight's gradient, and for an activation's, which the first layer's
    input needs none of.
    """
    total = 0.0
    for params in configurations(trials, BATCH_SIZES):
        width = int(params["hidden_size"])
        first, others = PIXELS * width, width * width + CLASSES * width
        total += epochs * (TRAIN * (4 * first + 6 * others) + VAL * 2 * (first + others))
    return total


def machine_rate() -> float:
    """Float32 operations a second of large matrix products, with all cores."""
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    best = 0.0
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        best = max(best, 2 * 2048**3 / (time.perf_counter() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--pack", default="24")
    parser.add_argument("--only", nargs="+", default=["packs", "ours", "bare", "ray", "tutorial"])
    options = parser.parse_args()
    data_dir, trials, epochs = str(Path(options.data_dir).absolute()), options.trials, options.epochs
    rate, work = machine_rate(), products(trials, epochs)
    print(f"{trials} trials of {epochs} epochs on MNIST, {os.cpu_count()} cores, {rate / 1e9:.0f} GFLOP/s", flush=True)
    seconds = {}
    for name, run in runs(data_dir, trials, epochs, options.pack, BATCH_SIZES).items():
        if name in options.only:
            seconds[name], finals = run()
            report(name, seconds[name], finals, trials)
            print(f"  share of the machine's rate {work / seconds[name] / rate:6.1%}", flush=True)
    for name, took in seconds.items():
        if name != "packs" and "packs" in seconds:
            print(f"packs are {took / seconds['packs']:.2f} times as fast as {name}")


if __name__ == "__main__":
    main()
