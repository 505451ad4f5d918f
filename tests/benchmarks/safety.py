"""What checkpoints, locks and leases cost: ``python -m tests.benchmarks.safety --data-dir DIR [--rounds 5]``

The configurations of the throughput benchmark, with and without them, in turns in one run.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

from lightsearch.launchers import Job
from lightsearch.launchers.processes import ForkServer, ProcessLauncher
from lightsearch.progress import PlainDisplay
from lightsearch.runner import Coordinator
from lightsearch.storage import open_storage
from lightsearch.study import Ledger
from lightsearch.study_file import read_declaration, validate
from tests.benchmarks.configurations import configurations
from tests.benchmarks.reckless import reckless_trial

ROOT = Path(__file__).parents[2]


class RecklessLauncher(ProcessLauncher):
    def launch(self, job: Job) -> None:
        super().launch(dataclasses.replace(job, function=reckless_trial))


def seconds(server: ForkServer, launcher: type[ProcessLauncher], trials: int, epochs: int, data_dir: str) -> float:
    """Wall time of a search, imports left out."""
    enqueue = ", ".join(
        "{" + ", ".join(f"{name}={value}" for name, value in params.items()) + "}" for params in configurations(trials)
    )
    overrides = [f"trainer.max_epochs={epochs}", "trainer.patience=0", "pruner={name='NopPruner'}"]
    declared = read_declaration(ROOT / "studies" / "mnist.toml", [*overrides, f"enqueue=[{enqueue}]"])
    study_file, mistakes = validate(declared)
    assert study_file is not None, mistakes
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/studies.db"
        ledger = Ledger(study_file, open_storage(url), url, Path(folder) / "mnist")
        ledger.open({"data": {}, "versions": {}, "device": ""})
        display = PlainDisplay(Console(file=io.StringIO()), direction="maximize", n_trials=trials)
        workers = launcher(server, workers=2, threads=1, accelerators=0)
        began = time.perf_counter()
        Coordinator(ledger, workers, display, n_trials=trials, data_dir=data_dir).run()
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = ForkServer()
    server.call(time.sleep, 0)
    times: dict[type[ProcessLauncher], list[float]] = {ProcessLauncher: [], RecklessLauncher: []}
    for _ in range(options.rounds):
        given = (options.trials, options.epochs, str(Path(options.data_dir).absolute()))
        for launcher, measured in times.items():
            measured.append(seconds(server, launcher, *given))
        print("with {:.1f} s, without {:.1f} s".format(*(measured[-1] for measured in times.values())), flush=True)
    for name, of in (("median", statistics.median), ("minimum", min)):
        safe, reckless = (of(measured) for measured in times.values())
        print(f"{name}: {safe / reckless - 1:+.1%}")


if __name__ == "__main__":
    main()
