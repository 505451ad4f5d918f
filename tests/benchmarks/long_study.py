"""How a long study grows: ``python -m tests.benchmarks.long_study [--trials 2000]``

Real coordinator, real storage, real processes; a trial reports two epochs and ends. Prints a line after each tenth of
the study: the time of an ask, the coordinator's memory and open files. Then times the commands that read the study.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.declare.reading import read_declaration
from lightsearch.declare.validation import validate
from lightsearch.display.plain import PlainDisplay
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.storage.opening import open_storage
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.trial_queue import TrialQueue
from tests.benchmarks.overhead import TrivialLauncher

ROOT = Path(__file__).parents[2]


class TimedQueue(TrialQueue):
    """Records how long each ask takes."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seconds: list[float] = []

    def ask(self, n_trials: int, epochs: int | None = None) -> TrialAssignment | NoTrialReason:
        began = time.perf_counter()
        answer = super().ask(n_trials, epochs)
        self.seconds.append(time.perf_counter() - began)
        return answer


class Growth(PlainDisplay):
    """Prints a line after each tenth of the study."""

    def __init__(self, queue: TimedQueue, trials: int) -> None:
        super().__init__(Console(file=io.StringIO()), direction="maximize", n_trials=trials)
        self.queue, self.trials, self.count = queue, trials, 0
        self.began = time.perf_counter()
        self.process = psutil.Process()

    def finished(self, *args: Any) -> None:
        super().finished(*args)
        self.console.file = io.StringIO()  # what it prints is not what grows
        self.count += 1
        step = max(self.trials // 10, 1)
        if self.count % step == 0:
            ask = statistics.median(self.queue.seconds[-step:]) * 1e3
            rate = step / (time.perf_counter() - self.began)
            self.began = time.perf_counter()
            memory = self.process.memory_info().rss / 2**20
            files = self.process.num_fds()
            print(f"{self.count:6} {ask:8.1f} ms {memory:8.1f} MB {files:6} files {rate:7.1f} trials/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "studies", Path(folder) / "studies", ignore=shutil.ignore_patterns("*.db*", "*/"))
        os.chdir(folder)
        study_file, _ = validate(read_declaration(ROOT / "studies" / "digits.toml", []))
        assert study_file is not None
        server = ForkServer()
        server.call(time.sleep, 0)
        url = "sqlite:///studies/studies.db"
        queue = TimedQueue(study_file, open_storage(url), url, Path(folder) / "studies" / "digits")
        queue.open({"data": {}, "versions": {}, "device": ""})
        launcher = TrivialLauncher(server, workers=2, threads=1, accelerators=0)
        print("trials   median ask     memory   open")
        Coordinator(queue, launcher, Growth(queue, trials), n_trials=trials).run()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for command in ("status", "report"):
            began = time.perf_counter()
            words = [sys.executable, "-m", f"search.{command}", "--study", "digits"]
            subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
            print(f"search.{command}: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
