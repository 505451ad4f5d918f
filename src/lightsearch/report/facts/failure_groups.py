"""The failed trials of a study, grouped by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lightsearch.outcome import Kind
from lightsearch.report.facts.row import Row

MEANINGS = {
    Kind.DIVERGED: "a loss or the metric became NaN or infinite",
    Kind.OUT_OF_MEMORY: "the accelerator or the host had no memory left",
    Kind.TIMEOUT: "killed at the trial's time limit",
    Kind.CRASHED: "the process died each time it was started",
    Kind.INTERRUPTED: "stopped with the search",
    Kind.WITHDRAWN: "ended by the user before it had a value",
    Kind.USER_ERROR: "the model, the data or the study file raised an exception",
}
MAX_EXAMPLES = 5
"""The number of trials named for each kind of failure."""


@dataclass(frozen=True)
class FailureGroup:
    """All failures of one kind."""

    kind: str
    meaning: str
    count: int
    message: str
    """The most common error."""
    trials: list[int]
    """The first trials that failed in this way, ``MAX_EXAMPLES`` at most."""


def group_failures(rows: Iterable[Row]) -> list[FailureGroup]:
    """The failed trials by kind, the most common kind first."""
    failed = [row for row in rows if row.group == "failed"]
    return [
        _group(kind, [row for row in failed if row.kind == kind])
        for kind, _ in Counter(row.kind for row in failed).most_common()
    ]


def _group(kind: str, rows: list[Row]) -> FailureGroup:
    errors = [row.outcome.error for row in rows if row.outcome and row.outcome.error]
    messages = Counter(f"{error.type}: {error.message}" for error in errors)
    return FailureGroup(
        kind=kind,
        meaning=MEANINGS.get(Kind(kind), "") if kind in list(Kind) else "ended without a reason",
        count=len(rows),
        message=messages.most_common(1)[0][0] if messages else "",
        trials=[row.number for row in rows[:MAX_EXAMPLES]],
    )
