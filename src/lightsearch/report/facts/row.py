"""One trial of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import Outcome
from lightsearch.report.readers import utc_times, value_of
from lightsearch.study.origin import outcome_of

GROUPS = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Row:
    """One trial, with what its storage and its outcome say of it."""

    trial: FrozenTrial
    outcome: Outcome | None
    """None if the trial has not ended, or another program ended it."""
    group: str
    """``complete``, ``pruned``, ``failed``, ``running`` or ``waiting``."""
    value: float | None
    """The first objective's value; see ``readers.value_of``."""
    started: datetime | None
    """In UTC."""
    ended: datetime | None
    """In UTC."""
    foreign: bool = False
    """Whether another program ran the trial in a study of lightsearch; such a trial never leads."""

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def values(self) -> list[float]:
        """A complete trial's objectives."""
        return [float(value) for value in self.trial.values]

    @property
    def kind(self) -> str:
        """The kind of failure of a failed trial, else the group."""
        return str(self.outcome.kind) if self.outcome and self.group == "failed" else self.group

    @property
    def finished(self) -> bool:
        return self.group in ("complete", "pruned")

    @property
    def has_run(self) -> bool:
        """Whether the trial started, and has ended or still runs: it can be drawn over time."""
        return self.started is not None and (self.ended is not None or self.group == "running")


def row_of(trial: FrozenTrial, *, foreign: bool) -> Row:
    """A trial as the report sees it.

    Args:
        trial: The trial.
        foreign: Whether another program ran it in a study of lightsearch.
    """
    outcome = outcome_of(trial)
    started, ended = utc_times(trial)
    return Row(trial, outcome, GROUPS[trial.state], value_of(trial, outcome), started, ended, foreign)
