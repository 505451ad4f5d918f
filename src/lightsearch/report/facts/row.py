"""One trial of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial

from lightsearch.outcome import Outcome
from lightsearch.report.readers import spans_of, utc_times, value_of
from lightsearch.study.origin import outcome_of
from lightsearch.study.scheduling import decisions_of
from lightsearch.study.status import Status, status_of

FINISHED = (Status.COMPLETE, Status.PRUNED, Status.NOT_RESUMED)
"""The groups of the trials that count towards the study's total."""


@dataclass(frozen=True)
class Row:
    """One trial, with what its storage and its outcome say of it."""

    trial: FrozenTrial
    outcome: Outcome | None
    """None if the trial has not ended, or another program ended it."""
    group: str
    """Where it is, a ``Status``: ``complete``, ``pruned``, ``not resumed``, ``failed``, ``running``, ``paused``, ..."""
    value: float | None
    """The first objective's value; see ``readers.value_of``."""
    started: datetime | None
    """In UTC."""
    ended: datetime | None
    """In UTC."""
    spans: tuple[tuple[datetime, datetime | None], ...] = ()
    """When it ran, between its pauses: starts and ends in UTC; the last end is None if it runs."""
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
    def std(self) -> float | None:
        """With ``[validation]``: the standard deviation of the runs whose mean the value is."""
        return self.outcome.std if self.outcome is not None else None

    @property
    def kind(self) -> str:
        """The kind of failure of a failed trial, else the group."""
        return str(self.outcome.kind) if self.outcome and self.group == "failed" else self.group

    @property
    def decisions(self) -> list[tuple[int, int, str]]:
        """What the scheduler decided; see ``scheduling.decisions_of``."""
        return decisions_of(self.trial)

    @property
    def finished(self) -> bool:
        return self.group in FINISHED


def row_of(trial: FrozenTrial, *, foreign: bool) -> Row:
    """A trial as the report sees it.

    Args:
        trial: The trial.
        foreign: Whether another program ran it in a study of lightsearch.
    """
    outcome = outcome_of(trial)
    started, ended = utc_times(trial)
    value = value_of(trial, outcome)
    return Row(trial, outcome, str(status_of(trial)), value, started, ended, spans_of(trial), foreign)
