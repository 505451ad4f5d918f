"""Trials per hour, against other ways to search: the same configurations and epochs, in one run, without pruning.

    python -m tests.benchmarks.throughput --data-dir DIR [--trials 10] [--epochs 3] [--only packs ours bare]

tutorial: a search as tutorials write it. bare: plain torch, as an expert writes it for speed. ray: Ray Tune with its
Lightning integration (if it is installed). ours: this project one by one. packs: this project with ``--pack auto``.
All are timed as whole processes; a second ratio leaves out the imports, which matter less in a longer search.
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
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.configurations import BATCH_SIZES, configurations

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "src")])


def timed(words: list[str], cwd: str) -> tuple[float, str]:
    """Wall seconds of a command, and what it printed."""
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    ran = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if ran.returncode:
        sys.exit(f"{' '.join(words[:4])} failed:\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    return seconds, ran.stdout


def script(
    name: str, data_dir: str, trials: int, epochs: int, batch_sizes: Sequence[int] = BATCH_SIZES
) -> tuple[float, list[float]]:
    """Seconds, and the final validation accuracies, of a baseline: ``tutorial``, ``bare`` or ``ray_tune``."""
    with tempfile.TemporaryDirectory() as folder:
        script = str(ROOT / "tests" / "benchmarks" / f"{name}.py")
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


def runs(
    data_dir: str, trials: int, epochs: int, pack: str, batch_sizes: Sequence[int] = BATCH_SIZES
) -> dict[str, Callable[[], tuple[float, list[float]]]]:
    """The ways to search, by name. Each returns its seconds and its final validation accuracies."""
    ways: dict[str, Callable[[], tuple[float, list[float]]]] = {
        "packs": lambda: ours(data_dir, trials, epochs, "--pack", pack, batch_sizes=batch_sizes),
        "ours": lambda: ours(data_dir, trials, epochs, "--pack", "off", batch_sizes=batch_sizes),
        "bare": lambda: script("bare", data_dir, trials, epochs, batch_sizes),
        "ray": lambda: script("ray_tune", data_dir, trials, epochs, batch_sizes),
        "tutorial": lambda: script("tutorial", data_dir, trials, epochs, batch_sizes),
    }
    if find_spec("ray") is None:
        print("ray                    not installed")
        del ways["ray"]
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["packs", "ours", "bare", "ray", "tutorial"])
    options = parser.parse_args()
    data_dir, trials = str(Path(options.data_dir).absolute()), options.trials
    print(f"{trials} trials of {options.epochs} epochs on MNIST, {os.cpu_count()} cores")
    importing = imports()
    print(f"imports alone          {importing:7.1f} s")
    found = {}
    for name, run in runs(data_dir, trials, options.epochs, "auto").items():
        if name in options.only:
            found[name] = run()
            report(name, *found[name], trials)
    first, (seconds, finals) = next(iter(found.items()))
    for name, (took, theirs) in found.items():
        if name != first:
            gaps = [one - other for one, other in zip(finals, theirs, strict=True)]
            error = statistics.stdev(gaps) / len(gaps) ** 0.5
            without = (took - importing) / (seconds - importing)
            print(f"{first} are {took / seconds:.2f} times as fast as {name}, {without:.2f} times without imports;")
            print(f"  val_acc, trial by trial: {statistics.mean(gaps):+.4f} +- {error:.4f} (standard error)")


if __name__ == "__main__":
    main()
