"""Packs of somebody else's CNN: ``python -m tests.benchmarks.packed_cnn [--trials 16] [--epochs 5] [--packs 8 off]``

The same random configurations of ``small_cnn``, rates and dropout sampled, are trained in packs and one by one, without
pruning. All are timed as whole processes, with imports, checks and, for packs, the calibration.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.throughput import timed

STUDY = """
name = "cnn"
seed = 1
metric = "val_acc"
direction = "maximize"
scheduler = "none"
sampler = {{ name = "RandomSampler" }}
pruner = {{ name = "NopPruner" }}
trainer = {{ max_epochs = {epochs}, patience = 0, accelerator = "cpu" }}

[model]
class_path = "tests.benchmarks.small_cnn.SmallCNN"
[data]
class_path = "tests.benchmarks.small_cnn.Blobs"

[space.model]
learning_rate = {{ float = [1e-4, 1e-2], log = true }}
dropout = {{ float = [0.1, 0.5] }}
"""


def search(trials: int, epochs: int, pack: str) -> tuple[float, str]:
    """Wall seconds of a search, and the mean value of its leaders."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cnn.toml").write_text(STUDY.format(epochs=epochs))
        words = ["run", "--study", "cnn.toml", "--n-trials", str(trials), "--pack", pack, "--workers", "2"]
        seconds, said = timed([sys.executable, "-m", "lightsearch", *words], folder)
        told = [line for line in said.splitlines() if "packs" in line]
        (results,) = Path(folder).glob("studies/*/results.json")
        values = [leader["value"] for leader in json.loads(results.read_text())["leaders"]]
    return seconds, f"mean val_acc {statistics.mean(values):.4f} of {len(values)} leaders; {'; '.join(told).strip()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--packs", nargs="+", default=["8", "auto", "off"])
    options = parser.parse_args()
    print(f"{options.trials} trials of {options.epochs} epochs, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    seconds = {}
    for pack in options.packs:
        seconds[pack], told = search(options.trials, options.epochs, pack)
        print(f"--pack {pack:5} {seconds[pack]:6.1f} s  {told}", flush=True)
    if "off" in seconds:
        for pack, took in seconds.items():
            if pack != "off":
                print(f"--pack {pack} is {seconds['off'] / took:.2f} times as fast as one by one")


if __name__ == "__main__":
    main()
