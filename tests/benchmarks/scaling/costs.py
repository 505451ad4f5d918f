"""What one trial costs its coordinator: milliseconds, SQL statements, memory."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import sqlalchemy

from lightsearch.outcome import Kind, Outcome
from lightsearch.study import trial_queue as study_module
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.worker_trial import attach_trial
from tests.benchmarks.scaling.databases import EPOCHS, open_queue


def costs(url: str, samples: int = 15) -> dict[str, float]:
    """What one trial costs its coordinator, in milliseconds and statements, for the study as it is."""
    queue = open_queue(url)
    took: dict[str, list[float]] = {}
    held: list[float] = []
    lock = study_module.study_lock

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

    study_module.study_lock = timed_lock  # type: ignore[attr-defined]
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
        study_module.study_lock = lock  # type: ignore[attr-defined]
    medians = {name: statistics.median(values) for name, values in took.items()}
    return {**medians, "statements": statements, "statements of its worker": worker}


def _report(attached: Any, step: int) -> None:
    """Makes the requests of a worker's epoch to the storage."""
    attached.newest_attempt()
    attached.trial.report(0.5, step=step)
    attached.trial.should_prune()


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """Counts the SQL statements of this process."""
    count = [0]

    def add(*_: object) -> None:
        count[0] += 1

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", add)
    yield count
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", add)


def memory(url: str, answer: Any) -> None:
    """Puts the bytes of memory that each trial takes in a coordinator into the queue ``answer``."""
    queue = open_queue(url)
    before = psutil.Process().memory_info().rss
    trials = queue.study.get_trials(deepcopy=False)
    queue.history()
    answer.put((psutil.Process().memory_info().rss - before) / len(trials))
