"""How many workers a study keeps busy, on SQLite and on PostgreSQL: ``python -m tests.benchmarks.scaling``

Measured: what a trial costs its coordinator (real coordinator, queue and storage; the launcher is a stand-in whose
jobs take a given time and do nothing), and so how many trials per second one coordinator and several of them start and
record at most, while many trials run. Modelled from that: how busy workers are that only wait for the next trial.
``--check`` runs some of the modelled cases in real time. Writes ``reports/scaling.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

import optuna
import psutil
from optuna.trial import TrialState

from tests import postgresql
from tests.benchmarks.scaling.coordinators import context, coordinate
from tests.benchmarks.scaling.costs import costs, memory
from tests.benchmarks.scaling.databases import EPOCHS, ROOT, Databases, add_trials

SLOTS = 8  # of each coordinator that is kept asking
TRIAL_SECONDS = (10, 60, 600)
WORKERS = (1, 10, 100, 1000)


def modelled(capacity: float, workers: int, seconds: float) -> float:
    """How busy workers are at most, by the coordinator's capacity and by its time per trial (asymptotic bounds)."""
    return min(seconds / (seconds + 1 / capacity), capacity * seconds / workers) if capacity else 0.0


class Page:
    """Prints lines, and keeps them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def row(self, *cells: object) -> None:
        self.add("| " + " | ".join(map(str, cells)) + " |")

    def head(self, *cells: str) -> None:
        self.add()
        self.row(*cells)
        self.row(*["---"] * len(cells))


def measure(page: Page, name: str, databases: Databases, given: argparse.Namespace) -> None:
    page.add(f"\n## {name}\n")
    url = databases.new()
    add_trials(url, TrialState.COMPLETE, given.finished)
    answer = context.Queue()
    process = context.Process(target=memory, args=(url, answer))
    process.start()
    page.add(f"Measured with {given.finished} finished trials of {EPOCHS} epochs, milliseconds, medians of 15.")
    page.add(f"The coordinator's memory: {answer.get() / 1024:.1f} kB per trial.")
    process.join()
    names = ("ask", "ask, lock held", "tell", "tell, lock held", "history", "attach", "report")
    page.head("trials that run", *names, "statements per trial", "of its worker")
    capacity: dict[tuple[int, int], float] = {}
    placeholders = 0
    sizes = WORKERS[: given.sizes]
    for running in sizes:
        add_trials(url, TrialState.RUNNING, max(running - SLOTS, 0) - placeholders)
        placeholders = max(running - SLOTS, 0)
        found = costs(databases.new(url))
        counts = (f"{found[name]:.0f}" for name in ("statements", "statements of its worker"))
        page.row(running, *(f"{found[name]:.1f}" for name in names), *counts)
        for coordinators in given.coordinators:
            slots = max(min(SLOTS, running) // coordinators, 1)
            run = {"coordinators": coordinators, "slots": slots, "seconds": 0.0, "duration": given.seconds}
            capacity[coordinators, running] = coordinate(databases.new(url), **run)[0]
    page.add(
        "\nMeasured: trials per second at most, started and recorded, the storage and the coordinators on these cores:"
    )
    page.head("trials that run", *(f"{count} coordinators" for count in given.coordinators))
    for running in sizes:
        page.row(running, *(f"{capacity[count, running]:.1f}" for count in given.coordinators))
    page.add("\nModelled from that: how busy workers are kept, percent (one coordinator / the best number of them):")
    page.head("workers", *(f"trials of {seconds} s" for seconds in TRIAL_SECONDS))
    for workers in sizes:
        rates = capacity[1, workers], max(capacity[count, workers] for count in given.coordinators)
        cells = [[f"{modelled(rate, workers, seconds) * 100:.1f}" for rate in rates] for seconds in TRIAL_SECONDS]
        page.row(workers, *(" / ".join(cell) for cell in cells))
    if not given.check:
        return
    page.add("\nMeasured in real time, trials of 10 s: how busy workers were, percent, and the model's word:")
    page.head("coordinators x workers", "measured", "modelled")
    for coordinators, slots in ((1, 10), (1, 100), (2, 50)):
        fresh = databases.new()
        add_trials(fresh, TrialState.COMPLETE, given.finished)
        _, busy = coordinate(fresh, coordinators=coordinators, slots=slots, seconds=10.0, duration=80.0)
        workers = coordinators * slots
        model = modelled(capacity[coordinators, workers], workers, 10)
        page.row(f"{coordinators} x {slots}", f"{busy * 100:.1f}", f"{model * 100:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storages", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--finished", type=int, default=1000, help="trials that the study has already")
    parser.add_argument("--sizes", type=int, default=4, help="how many of 1, 10, 100 and 1,000 workers")
    parser.add_argument("--coordinators", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=12.0, help="of each measurement of a rate")
    parser.add_argument("--check", action="store_true", help="run some of the modelled cases in real time")
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "scaling.md")
    given = parser.parse_args()
    page = Page()
    page.add(
        f"# How far a study carries\n\n{psutil.cpu_count()} cores, {platform.machine()}, Optuna {optuna.__version__}."
    )
    server = postgresql.Server() if "postgresql" in given.storages else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            tempfile.tempdir = folder
            os.environ["TMPDIR"] = folder  # for the coordinators' processes
            for name in given.storages:
                measure(page, name, Databases(Path(folder), server if name == "postgresql" else None), given)
    finally:
        if server is not None:
            server.close()
    given.output.write_text("\n".join(page.lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
