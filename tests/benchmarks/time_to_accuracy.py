"""How soon is there a configuration of 98% validation accuracy? The same list of configurations on MNIST.

    python -m tests.benchmarks.time_to_accuracy --data-dir DIR [--orders 3] [--target 0.98] [--only ours packs]

The time from the start of each process, imports included, until an epoch of a trial first reaches the target; then the
process is ended. The order of the list matters much, so it is taken in several orders. The list is enqueued.

Each way of searching stops trials in its own way. packs and ours: this project's default, the scheduler
``freeze_thaw``, which decides by a model of learning curves which configuration of the list begins or continues for a
few epochs; in packs by default (``--pack auto``: packs of 4, or of 8 with a pruner), and one by one. packs_median and
ours_median: the same with Optuna's median pruner instead. bare: plain torch (see ``bare``) with a median rule.
ray_tune: ASHA. tutorial: Optuna's median pruner.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.configurations import configurations
from tests.benchmarks.packs import BATCH_SIZES
from tests.benchmarks.throughput import PYTHONPATH, ROOT

LOOK_SECONDS = 0.2
PACK = {"packs": "auto", "ours": "off"}
NAMES = ["packs", "ours", "packs_median", "ours_median", "bare", "ray_tune", "tutorial"]
Values = Callable[[], list[float]]


def script(name: str, options: argparse.Namespace, order: int, folder: Path) -> tuple[list[str], Values]:
    """The command of a baseline, and a function that returns its validation accuracies so far."""
    file = folder / "values"
    words = [sys.executable, str(ROOT / "tests" / "benchmarks" / f"{name}.py"), options.data_dir]
    words += [str(options.trials), str(options.epochs), json.dumps(BATCH_SIZES), str(order), str(file)]
    return words, lambda: [float(line) for line in file.read_text().split()] if file.exists() else []


def ours(
    options: argparse.Namespace, order: int, folder: Path, *, pack: str, median: bool = False
) -> tuple[list[str], Values]:
    """This project's command, and a function that returns its validation accuracies so far.

    Args:
        options: The command's options.
        order: The order of the configurations.
        folder: The working folder.
        pack: Trials per pack.
        median: Whether Optuna's median pruner stops trials, instead of the default scheduler.
    """
    listed = configurations(options.trials, BATCH_SIZES, order)
    enqueue = ", ".join("{" + ", ".join(f"{name}={value}" for name, value in one.items()) + "}" for one in listed)
    words = [sys.executable, "-m", "search.run", "--study", str(ROOT / "studies" / "mnist.toml"), "--pack", pack]
    words += ["--data-dir", options.data_dir, "--n-trials", str(options.trials)]
    words += ["--set", f"trainer.max_epochs={options.epochs}", "--set", "trainer.patience=0"]
    words += ["--set", f"enqueue=[{enqueue}]"]
    if median:
        words += ["--set", "pruner={name='MedianPruner', init_args={n_startup_trials=5, n_warmup_steps=1}}"]

    def values() -> list[float]:
        with contextlib.suppress(sqlite3.Error):
            database = f"file:{folder}/studies/studies.db?mode=ro"
            with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
                rows = connection.execute("SELECT intermediate_value FROM trial_intermediate_values")
                return [value for (value,) in rows if value is not None]
        return []

    return words, values


def command(name: str, options: argparse.Namespace, order: int, folder: Path) -> tuple[list[str], Values]:
    """The command of a way to search, by its name."""
    how = name.removesuffix("_median")
    if how in PACK:
        return ours(options, order, folder, pack=PACK[how], median=name.endswith("_median"))
    return script(name, options, order, folder)


def seconds_to(target: float, words: list[str], values: Values, folder: Path, limit: float) -> float | None:
    """Seconds until the target is reached; None if the command or the time limit ended first."""
    began = time.perf_counter()
    log = (folder / "log").open("w")
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while process.poll() is None and time.perf_counter() - began < limit:
            if max(values(), default=0.0) >= target:
                return time.perf_counter() - began
            time.sleep(LOOK_SECONDS)
        if process.returncode:
            sys.exit(f"{' '.join(words[:4])} failed:\n{(folder / 'log').read_text()[-2000:]}")
        return time.perf_counter() - began if max(values(), default=0.0) >= target else None
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--target", type=float, default=0.98)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which to give up")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES)
    options = parser.parse_args()
    options.data_dir = str(Path(options.data_dir).absolute())
    took: dict[str, list[float | None]] = {name: [] for name in options.only}
    for order in range(options.orders):
        for name in options.only:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                words, values = command(name, options, order, Path(folder))
                seconds = seconds_to(options.target, words, values, Path(folder), options.limit)
            took[name].append(seconds)
            shown = f"{seconds:.0f} s" if seconds is not None else "not reached"
            print(f"order {order}, {name:<12} {options.target} after {shown}", flush=True)
    for name, times in took.items():
        reached = [one for one in times if one is not None]
        mean = f"mean {statistics.mean(reached):.0f} s" if reached else "never"
        print(f"{name:<12} {mean}, reached in {len(reached)} of {len(times)}")


if __name__ == "__main__":
    main()
