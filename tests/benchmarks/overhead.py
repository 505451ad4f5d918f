"""What a trial costs besides its training: ``python -m tests.benchmarks.overhead [--trials 50]``

Real coordinator, real storage, real processes; a trial reports two epochs and ends. There is one worker, so nothing
overlaps. Imports happen once, before the clock starts.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.declare.reading import read_declaration
from lightsearch.declare.validation import validate
from lightsearch.display.plain import PlainDisplay
from lightsearch.launchers import Job
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.storage.opening import open_storage
from lightsearch.study.trial_queue import TrialQueue
from tests.benchmarks.trivial import trivial_trial

ROOT = Path(__file__).parents[2]


class TrivialLauncher(ProcessLauncher):
    """Launches trivial trials instead of real ones, and records when."""

    blocks = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.launched: list[float] = []

    def launch(self, job: Job) -> None:
        self.launched.append(time.perf_counter())
        super().launch(dataclasses.replace(job, function=trivial_trial))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    trials = parser.parse_args().trials
    declared = read_declaration(ROOT / "studies" / "digits.toml", ["pruner={name='NopPruner'}"])
    study_file, _ = validate(declared)
    assert study_file is not None
    server = ForkServer()
    server.call(time.sleep, 0)  # the imports are done when it answers
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/studies.db"
        queue = TrialQueue(study_file, open_storage(url), url, Path(folder) / "digits")
        queue.open({"data": {}, "versions": {}, "device": ""})
        launcher = TrivialLauncher(server, workers=1, threads=1, accelerators=0)
        display = PlainDisplay(Console(file=io.StringIO()), direction="maximize", n_trials=trials)
        Coordinator(queue, launcher, display, n_trials=trials).run()
        inside = [trial.user_attrs["result"]["seconds"] for trial in queue.study.trials[:-1]]
    # From the launch of one trial to that of the next, less the time in the trial itself.
    gaps = [after - before for before, after in zip(launcher.launched, launcher.launched[1:], strict=False)]
    overhead = [(gap - seconds) * 1e3 for gap, seconds in zip(gaps, inside, strict=True)]
    print(f"{trials} trials, one after the other: {statistics.mean(overhead):.0f} ms of overhead per trial on average,")
    print(f"median {statistics.median(overhead):.0f} ms, at most {max(overhead):.0f} ms")
    print(f"the trivial trial itself (opens the storage, reports twice): {statistics.mean(inside) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
