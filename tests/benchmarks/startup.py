"""How long a search takes to begin, against an import of Lightning, in pairs in one run; and how long it takes to end
when there is nothing left to do.

    python -m tests.benchmarks.startup [--rounds 5] [--trials 2]

Each round times new processes: ``python -c "import pytorch_lightning"``; ``python -m search.run`` on the digits, from
its start to the first training step of a trial, with all checks; and the same command again, on the finished study,
from its start to its end. With fewer than 7 trials for two workers there is no calibration of packs before the trials.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.first_step import FILE
from tests.benchmarks.throughput import PYTHONPATH, ROOT

CALLBACK = "callbacks=[{class_path='tests.benchmarks.first_step.FirstStep'}]"


def ran(words: list[str], folder: Path) -> tuple[float, float]:
    """Runs a command to its end; returns when it began, in seconds since 1970, and how many seconds it took."""
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, FILE: str(folder / "first_step")}
    began = time.time()
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
    return began, time.time() - began


def measured(trials: int) -> tuple[float, float, float]:
    """One round: seconds of the import, to the first training step, and of the finished study."""
    words = ["-m", "search.run", "--study", str(ROOT / "studies" / "digits.toml"), "--n-trials", str(trials)]
    words += ["--set", "trainer.max_epochs=3", "--set", CALLBACK]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _, importing = ran(["-c", "import pytorch_lightning"], folder)
        began, _ = ran(words, folder)
        first_step = float((folder / "first_step").read_text()) - began
        _, finished = ran(words, folder)
    return importing, first_step, finished


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=2)
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        importing, first_step, finished = measured(options.trials)
        rounds.append((importing, first_step, finished, first_step / importing, finished / importing))
        print(f"round {number}: import {importing:.2f} s, first step {first_step:.2f} s, finished {finished:.2f} s")
    importing, first_step, finished, ratio, ratio_finished = map(statistics.median, zip(*rounds, strict=True))
    print(f"medians of {len(rounds)} on {os.cpu_count()} cores")
    print(f"import of pytorch_lightning {importing:6.2f} s")
    print(f"to the first training step  {first_step:6.2f} s, {ratio:.2f} times the import of its round")
    print(f"a finished study            {finished:6.2f} s, {ratio_finished:.2f} times the import of its round")


if __name__ == "__main__":
    main()
