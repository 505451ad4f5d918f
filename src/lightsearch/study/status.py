"""Where each trial of a study is, in a word for people: Optuna's state does not tell what a trial waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import NOT_RESUMED

PAUSED = "paused"
"""The attribute of a trial that says whether it waits because it has paused."""


class Status(StrEnum):
    """Where a trial is."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    NOT_RESUMED = "not resumed"
    """It was paused, and ended because the scheduler expected nothing more of it. Optuna's state is PRUNED."""
    FAILED = "failed"
    RUNNING = "running"
    PAUSED = "paused"
    """It waits for the scheduler. Optuna's state is WAITING, as for the next two."""
    INTERRUPTED = "interrupted"
    """The next search continues it first."""
    ENQUEUED = "enqueued"
    """It has not begun."""


_STATUS_OF = {
    TrialState.COMPLETE: Status.COMPLETE,
    TrialState.PRUNED: Status.PRUNED,
    TrialState.FAIL: Status.FAILED,
    TrialState.RUNNING: Status.RUNNING,
    TrialState.WAITING: Status.ENQUEUED,
}


def status_of(trial: FrozenTrial) -> Status:
    """Where a trial is, whichever program runs it."""
    if is_paused(trial):
        return Status.PAUSED
    if trial.state is TrialState.WAITING and "attempt" in trial.user_attrs:
        return Status.INTERRUPTED
    if trial.state is TrialState.PRUNED and is_not_resumed(trial):
        return Status.NOT_RESUMED
    return _STATUS_OF[trial.state]


def count(trials: Iterable[FrozenTrial]) -> dict[str, int]:
    """The number of trials in each status that a study has, in the order of ``Status``."""
    found = Counter(map(status_of, trials))
    return {str(status): found[status] for status in Status if found[status]}


def describe_counts(counts: dict[str, int]) -> str:
    """Counts in words: ``5 complete, 7 not resumed``; empty without trials."""
    return ", ".join(f"{n} {status}" for status, n in counts.items())


def is_paused(trial: FrozenTrial) -> bool:
    """Whether a trial waits for the scheduler. One that was interrupted waits too, and continues first."""
    return trial.state is TrialState.WAITING and bool(trial.user_attrs.get(PAUSED))


def is_not_resumed(trial: FrozenTrial) -> bool:
    """Whether a trial ended while it was paused. It says nothing about what the trial would have reached."""
    result = trial.user_attrs.get("result")
    return isinstance(result, dict) and result.get("stop_reason") == NOT_RESUMED
