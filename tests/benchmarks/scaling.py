"""How many workers a study keeps busy, on SQLite and on PostgreSQL: ``python -m tests.benchmarks.scaling``

Measured: what a trial costs its coordinator (real coordinator, queue and storage; the launcher is a stand-in whose
jobs take a given time and do nothing), and so how many trials a second one coordinator and several hand out and tell
at most, while many trials run. Modelled from that: how busy workers are that do nothing but wait for the next trial.
``--check`` runs some of the modelled cases in real time. Writes ``reports/scaling.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import sqlalchemy
from optuna.trial import TrialState, create_trial
from rich.console import Console

from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.display.plain import PlainDisplay
from lightsearch.launchers import Ended, Job
from lightsearch.machine.owner import this_process
from lightsearch.outcome import Kind, Outcome
from lightsearch.storage.locks import lock_engine
from lightsearch.storage.opening import open_storage
from lightsearch.study import trial_queue as study_module
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.trial_queue import TrialQueue
from lightsearch.study.worker_trial import attach_trial
from tests import postgresql

ROOT = Path(__file__).parents[2]
EPOCHS = 10
SLOTS = 8  # of each coordinator that is kept asking
TRIAL_SECONDS = (10, 60, 600)
WORKERS = (1, 10, 100, 1000)
_context = multiprocessing.get_context("spawn")


class Databases:
    """Makes databases in a folder, or on a server if there is one."""

    def __init__(self, folder: Path, server: postgresql.Server | None = None) -> None:
        self.folder = folder
        self.server = server

    def new(self, original: str | None = None) -> str:
        """An empty database, or a copy of one that nobody uses at the moment."""
        name = uuid.uuid4().hex
        if self.server is not None:
            return self.server.database(name, template=original and original.rpartition("/")[2])
        if original is not None:
            shutil.copy(original.removeprefix("sqlite:///"), self.folder / f"{name}.db")
        return f"sqlite:///{self.folder}/{name}.db"


class Sleepers:
    """Jobs that take so many seconds; of 0 seconds one ends whenever it is waited for, so that the slots stay full."""

    def __init__(self, slots: int, seconds: float) -> None:
        self.slots = slots
        self.seconds = seconds
        self.spans: list[tuple[float, float]] = []
        """When each job began and ended."""
        self._running: dict[int, tuple[Job, float]] = {}

    def launch(self, job: Job) -> None:
        self._running[job.number] = (job, time.monotonic())

    def wait(self, timeout: float) -> list[Ended]:
        due = min((began + self.seconds for _, began in self._running.values()), default=float("inf"))
        time.sleep(min(max(due - time.monotonic(), 0), timeout))
        now = time.monotonic()
        ended = [number for number, (_, began) in self._running.items() if began + self.seconds <= now]
        return [self._end(number) for number in (ended if self.seconds else ended[:1])]

    def stop(self, number: int, *, kill: bool = False) -> None:
        self._running[number] = (self._running[number][0], float("-inf"))  # ends at the next look, without a result

    def close(self) -> None:
        self._running.clear()

    def _end(self, number: int) -> Ended:
        job, began = self._running.pop(number)
        if began > float("-inf"):
            self.spans.append((began, began + self.seconds))
            result = Outcome(
                number=number, kind=Kind.COMPLETE, attempt=job.arguments["attempt"], value=number % 97 / 97
            )
            (job.folder / "result.json").write_text(result.model_dump_json())
        return Ended(number, 0)


def declared() -> StudyFile:
    study_file, mistakes = validate(read_declaration(ROOT / "studies" / "digits.toml", []))
    assert study_file is not None, mistakes
    return study_file


def open_queue(url: str) -> TrialQueue:
    study_file = declared()
    folder = Path(tempfile.gettempdir()) / "scaling" / url.rpartition("/")[2]  # whoever opens the database finds it
    queue = TrialQueue(study_file, open_storage(url), url, folder)
    queue.open({"data": {}, "versions": {}, "device": ""})
    return queue


def add_trials(url: str, state: TrialState, count: int) -> None:
    """Adds trials as a search leaves them; running ones are this process's, and it is there."""
    queue = open_queue(url)
    rng = random.Random(0)
    asked = optuna.create_study().ask()
    declared().space.suggest(asked)
    owner = this_process().model_dump()
    for _ in range(count):
        params = {name: dist.to_external_repr(_drawn(dist, rng)) for name, dist in asked.distributions.items()}
        value = rng.random()
        attrs: dict[str, Any] = {"owner": owner, "attempt": 1, "lease": time.time() + 1e6}
        if state.is_finished():
            result = Outcome(number=0, kind=Kind.COMPLETE, value=value, epochs=EPOCHS, metrics={"val_acc": value})
            attrs |= {"kind": "complete", "result": result.model_dump(mode="json", exclude={"params", "kind"})}
        steps = EPOCHS if state.is_finished() else EPOCHS // 2
        queue.study.add_trial(
            create_trial(
                state=state,
                value=value if state.is_finished() else None,
                params=params,
                distributions=asked.distributions,
                user_attrs=attrs,
                intermediate_values={step: rng.random() for step in range(steps)},
            )
        )
    queue.storage.remove_session()
    for engine in (queue.storage.engine, lock_engine(url)):  # a database that is in use cannot be copied
        engine.dispose()


def _drawn(dist: Any, rng: Any) -> float:
    if hasattr(dist, "choices"):
        return rng.randrange(len(dist.choices))
    return (
        float(int(rng.uniform(dist.low, dist.high))) if isinstance(dist.low, int) else rng.uniform(dist.low, dist.high)
    )


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """Counts the SQL statements of this process."""
    count = [0]

    def add(*_: object) -> None:
        count[0] += 1

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", add)
    yield count
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", add)


def costs(url: str, samples: int = 15) -> dict[str, float]:
    """What one trial costs its coordinator, in milliseconds and statements, as the study stands."""
    queue = open_queue(url)
    took: dict[str, list[float]] = {}
    held: list[float] = []
    lock = study_module.storage_lock

    @contextlib.contextmanager
    def timed_lock(*args: Any, **options: Any) -> Iterator[Any]:
        with lock(*args, **options) as check:
            began = time.perf_counter()
            yield check
            held.append((time.perf_counter() - began) * 1e3)

    def timed(name: str, call: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        answer = call(*args)
        took.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
        return answer

    study_module.storage_lock = timed_lock  # type: ignore[attr-defined]
    try:
        warm = queue.ask(10**6)
        queue.history()
        held.clear()
        statements = 0
        for number in range(samples):
            with counted() as count:
                assigned = timed("ask", queue.ask, 10**6)
                took.setdefault("ask, lock held", []).append(held.pop())
                history = timed("history", queue.history)
                result = Outcome(number=assigned.number, kind=Kind.COMPLETE, value=number / samples)
                before = count[0]
                attached = timed("attach", attach_trial, queue.study_file, url, assigned.trial_id, history)
                for step in range(EPOCHS):
                    timed("report", _report, attached, step)
                worker = count[0] - before
                timed("tell", queue.tell, assigned, result)
                took.setdefault("tell, lock held", []).append(held.pop())
                statements = count[0] - worker
                attached.trial.study._storage._backend.engine.dispose()
        assert isinstance(warm, TrialAssignment)
        queue.tell(warm, Outcome(number=warm.number, kind=Kind.COMPLETE, value=0.5))
    finally:
        study_module.storage_lock = lock  # type: ignore[attr-defined]
    medians = {name: statistics.median(values) for name, values in took.items()}
    return {**medians, "statements": statements, "statements of its worker": worker}


def _report(attached: Any, step: int) -> None:
    """What an epoch of a worker asks of the storage."""
    attached.newest_attempt()
    attached.trial.report(0.5, step=step)
    attached.trial.should_prune()


def _memory(url: str, answer: Any) -> None:
    queue = open_queue(url)
    before = psutil.Process().memory_info().rss
    trials = queue.study.get_trials(deepcopy=False)
    queue.history()
    answer.put((psutil.Process().memory_info().rss - before) / len(trials))


def _coordinate(url: str, slots: int, seconds: float, duration: float, barrier: Any, answer: Any) -> None:
    """A coordinator's process: it runs for so long, and says when its jobs began and ended."""
    queue, launcher = open_queue(url), Sleepers(slots, seconds)
    display = PlainDisplay(Console(file=io.StringIO()), direction="maximize", n_trials=10**6)
    queue.study.get_trials(deepcopy=False)
    coordinator = Coordinator(queue, launcher, display, n_trials=10**6, timeout=duration)
    barrier.wait()
    began = time.monotonic()
    coordinator.run()
    answer.put((began, launcher.spans))


def coordinate(url: str, *, coordinators: int, slots: int, seconds: float, duration: float) -> tuple[float, float]:
    """Trials a second, and how busy the slots were, in the second half of ``duration`` seconds."""
    answer, barrier = _context.Queue(), _context.Barrier(coordinators)
    arguments = (url, slots, seconds, duration, barrier, answer)
    processes = [_context.Process(target=_coordinate, args=arguments) for _ in range(coordinators)]
    for process in processes:
        process.start()
    answers = [answer.get() for _ in processes]
    for process in processes:
        process.join()
    start = max(began for began, _ in answers) + duration / 2
    end = start + duration / 2
    spans = [span for _, spans in answers for span in spans]
    told = sum(start <= ended < end for _, ended in spans)
    # Jobs that run at the end are in no span; they take the place of those that had begun before the window.
    return told / (end - start), told * seconds / (end - start) / (slots * coordinators)


def modelled(capacity: float, workers: int, seconds: float) -> float:
    """How busy workers are at most: by the coordinator's capacity, and by its own time a trial (asymptotic bounds)."""
    return min(seconds / (seconds + 1 / capacity), capacity * seconds / workers) if capacity else 0.0


class Page:
    """Prints, and keeps what was printed."""

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
    answer = _context.Queue()
    process = _context.Process(target=_memory, args=(url, answer))
    process.start()
    page.add(f"Measured with {given.finished} finished trials of {EPOCHS} epochs, milliseconds, medians of 15.")
    page.add(f"The coordinator's memory: {answer.get() / 1024:.1f} kB a trial.")
    process.join()
    names = ("ask", "ask, lock held", "tell", "tell, lock held", "history", "attach", "report")
    page.head("trials that run", *names, "statements a trial", "of its worker")
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
        "\nMeasured: trials a second at most, handed out and told, the storage and the coordinators on these cores:"
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
