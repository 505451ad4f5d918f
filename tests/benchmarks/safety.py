"""What safety costs: ``python -m tests.benchmarks.safety --data-dir DIR [--trials 10] [--epochs 2]``

The configurations of the throughput benchmark; every trial times its checkpoints, locks and leases. (Two searches, with
and without them, differ by more than that between two runs.)
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import tempfile
import time
from pathlib import Path

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
from tests.benchmarks.configurations import configurations
from tests.benchmarks.timed_safety import trial_with_timed_safety

ROOT = Path(__file__).parents[2]


class TimedLauncher(ProcessLauncher):
    """Launches trials that time what safety costs."""

    blocks = False

    def launch(self, job: Job) -> None:
        super().launch(dataclasses.replace(job, function=trial_with_timed_safety))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    enqueue = ", ".join(
        "{" + ", ".join(f"{name}={value}" for name, value in params.items()) + "}"
        for params in configurations(options.trials)
    )
    overrides = [f"trainer.max_epochs={options.epochs}", "trainer.patience=0", "pruner={name='NopPruner'}"]
    declared = read_declaration(ROOT / "studies" / "mnist.toml", [*overrides, f"enqueue=[{enqueue}]"])
    study_file, mistakes = validate(declared)
    assert study_file is not None, mistakes
    server = ForkServer()
    server.call(time.sleep, 0)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/studies.db"
        queue = TrialQueue(study_file, open_storage(url), url, Path(folder) / "mnist")
        queue.open({"data": {}, "versions": {}, "device": ""})
        display = PlainDisplay(Console(file=io.StringIO()), direction="maximize", n_trials=options.trials)
        launcher = TimedLauncher(server, workers=2, threads=1, accelerators=0)
        data_dir = str(Path(options.data_dir).absolute())
        Coordinator(queue, launcher, display, n_trials=options.trials, data_dir=data_dir).run()
        spent = [float(file.read_text()) for file in sorted(queue.folder.glob("*/safety.txt"))]
        seconds = [trial.user_attrs["result"]["seconds"] for trial in queue.study.trials]
    epochs = options.trials * options.epochs
    print(f"{sum(spent):.2f} s of {sum(seconds):.1f} s in trials: {sum(spent) / sum(seconds):.1%}")
    print(f"{sum(spent) / epochs * 1e3:.0f} ms per epoch")


if __name__ == "__main__":
    main()
