"""Trials per hour, against a search as tutorials write it: the same configurations and epochs, in one run.

    python -m tests.benchmarks.throughput --data-dir DIR [--trials 10] [--epochs 3]

Both are timed as whole processes; a second ratio leaves out the imports, which matter less in a longer search.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.configurations import BATCH_SIZES, configurations

ROOT = Path(__file__).parents[2]


def timed(words: list[str], cwd: str) -> tuple[float, str]:
    """Wall seconds of a command, and what it printed."""
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if ran.returncode:
        sys.exit(f"{' '.join(words[:4])} failed:\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    return seconds, ran.stdout


def tutorial(
    data_dir: str, trials: int, epochs: int, batch_sizes: Sequence[int] = BATCH_SIZES
) -> tuple[float, list[float]]:
    """Seconds, and the final validation accuracies, of the baseline."""
    with tempfile.TemporaryDirectory() as folder:
        script = str(ROOT / "tests" / "benchmarks" / "tutorial.py")
        words = [sys.executable, script, data_dir, str(trials), str(epochs), json.dumps(batch_sizes)]
        seconds, printed = timed(words, folder)
    return seconds, json.loads(printed.strip().splitlines()[-1])


def ours(
    data_dir: str, trials: int, epochs: int, *options: str, batch_sizes: Sequence[int] = BATCH_SIZES
) -> tuple[float, list[float]]:
    """Seconds, and the final validation accuracies, of this project."""
    enqueue = ", ".join(
        "{" + ", ".join(f"{name}={value}" for name, value in params.items()) + "}"
        for params in configurations(trials, batch_sizes)
    )
    overrides = [
        f"trainer.max_epochs={epochs}",
        "trainer.patience=0",
        "pruner={name='NopPruner'}",
        f"enqueue=[{enqueue}]",
    ]
    words = [
        sys.executable,
        "-m",
        "search.run",
        "--study",
        str(ROOT / "studies" / "mnist.toml"),
        "--data-dir",
        data_dir,
    ]
    words += ["--n-trials", str(trials), *options]
    with tempfile.TemporaryDirectory() as folder:
        seconds, _ = timed([*words, *(word for override in overrides for word in ("--set", override))], folder)
        import optuna

        study = optuna.load_study(storage=f"sqlite:///{folder}/studies/studies.db", study_name="mnist")
        finals = [trial.intermediate_values[epochs - 1] for trial in study.trials]
    return seconds, finals


def imports() -> float:
    """Seconds that a process takes to import what both need."""
    words = [sys.executable, "-c", "import pytorch_lightning, torchmetrics, torchvision, optuna"]
    return min(timed(words, ".")[0] for _ in range(3))


def report(name: str, seconds: float, finals: list[float], trials: int) -> dict[str, Any]:
    mean = statistics.mean(finals)
    print(f"{name:<22} {seconds:7.1f} s  {trials / seconds * 3600:7.0f} trials/h  mean val_acc {mean:.4f}", flush=True)
    return {"seconds": seconds, "mean": mean}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    data_dir = str(Path(options.data_dir).absolute())
    print(f"{options.trials} trials of {options.epochs} epochs on MNIST, {os.cpu_count()} cores")
    importing = imports()
    print(f"imports alone          {importing:7.1f} s")
    baseline, theirs = tutorial(data_dir, options.trials, options.epochs)
    report("tutorial", baseline, theirs, options.trials)
    mine, finals = ours(data_dir, options.trials, options.epochs)
    report("this project", mine, finals, options.trials)
    print(f"ratio, whole processes {baseline / mine:7.2f}")
    print(f"ratio without imports  {(baseline - importing) / (mine - importing):7.2f}")
    gaps = [ours_ - theirs_ for ours_, theirs_ in zip(finals, theirs, strict=True)]
    error = statistics.stdev(gaps) / len(gaps) ** 0.5
    print(f"difference of val_acc, trial by trial: {statistics.mean(gaps):+.4f} +- {error:.4f} (standard error)")


if __name__ == "__main__":
    main()
