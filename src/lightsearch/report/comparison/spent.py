"""What a study had found after what it had spent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.study.epoch_values import curve_of


class Found(NamedTuple):
    """The best value so far."""

    epochs: int
    """Epochs that all trials had trained."""
    seconds: float
    """Seconds of search, without pauses of it."""
    best: float


def best_so_far(facts: Facts) -> list[Found]:
    """Each improvement, and the end of the study.

    Storages keep no time of an epoch: a trial's epochs are spread evenly over the time in which it ran. Values are
    those of complete trials, as the best trial is one of them; the epochs of all trials count.
    """
    epochs = sorted(epoch for row in facts.rows if not row.foreign for epoch in _epochs(facts, row))
    better = max if facts.maximize else min
    found: list[Found] = []
    best: float | None = None
    for count, (seconds, _, value) in enumerate(epochs, 1):
        if value is not None and (best is None or better(best, value) != best):
            best = value
            found.append(Found(count, seconds, best))
    if best is not None:
        found.append(Found(len(epochs), facts.clock.seconds, best))
    return found


def _epochs(facts: Facts, row: Row) -> Iterator[tuple[float, int, float | None]]:
    """When each epoch of a trial ended, in seconds of search, the trial, and the value, if the trial is complete."""
    values = _values(row)
    spans = [(facts.clock(began), facts.clock(ended or facts.made)) for began, ended in row.spans]
    total = sum(ended - began for began, ended in spans)
    for index, value in enumerate(values, 1):
        counts = row.group == "complete" and value is not None and math.isfinite(value)
        yield _at(spans, total * index / len(values)), row.number, value if counts else None


def _values(row: Row) -> list[float | None]:
    """The value after each epoch. Where no epoch's value is the trial's own, that is known at its end."""
    curve, outcome = list(curve_of(row.trial).values()), row.outcome
    if outcome is not None and outcome.best_epoch is not None and not outcome.run_values:
        return [*curve]
    n = max(len(curve), outcome.epochs if outcome else 0, int(row.group == "complete"))
    return [*[None] * (n - 1), row.value] if n else []


def _at(spans: list[tuple[float, float]], ran: float) -> float:
    """The time at which a trial had run for so long."""
    for began, ended in spans:
        if ran <= ended - began:
            return began + ran
        ran -= ended - began
    return spans[-1][1] if spans else 0.0
