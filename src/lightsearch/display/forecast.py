"""How long the rest of a search takes, judged by how long its trials have lasted.

Their mean would mislead. Of trials that run beside each other the short ones end first, and when they end most of the
others are nearly done. So those that still run count as far as their lengths are known: the rate at which trials end is
estimated for every age (Kaplan and Meier, 1958).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState

from lightsearch.study.origin import FINISHED

N_AGES = 20
"""The ages of trials that are told apart, up to that of the longest."""

PRIOR = 1.0
"""At every age so many trials more are counted, of which one in ``N_AGES`` ends: at great ages there are few others."""

BEYOND = 0.25
"""What a trial as old as the longest is yet to last, as a part of that."""

FEWEST_RECENT = 8
"""A new trial lasts as the later half of the trials did, at least this many."""

LEARNING = 12
"""So many trials finish before it shows whether a pruner prunes. Until then half of the new trials count as pruned."""


def seconds_to_go(
    trials: Sequence[FrozenTrial], n_trials: int, since: datetime, now: datetime, *, prunes: bool
) -> float | None:
    """The seconds until a study has its total of finished trials; None: none has finished since the search began.

    What the trials are yet to last, together, is taken to go on as fast as it did on average. So do trials that share
    the cores of a machine, and in packs nearly.

    Args:
        trials: All trials of the study.
        n_trials: The study's total of finished trials.
        since: When the search began its first trial, in local time. What was before says nothing of its pace.
        now: The time.
        prunes: Whether the study has a pruner. It lets the first trials go on, which others are compared with.
    """
    known = sorted(
        (_Life.of(trial, since, now) for trial in trials if _counts(trial, since)), key=lambda one: one.began
    )
    spent, elapsed = sum(one.seconds for one in known), (now - since).total_seconds()
    if not spent or not any(one.has_ended for one in known):
        return None
    n_running = sum(trial.state is TrialState.RUNNING for trial in trials)
    n_new = max(0, n_trials - n_running - sum(trial.state in FINISHED for trial in trials))
    running = [one.seconds for one in known if not one.has_ended]
    left = sum(map(_Lengths(known).left, running)) + n_new * _new_trial(known, prunes=prunes)
    return left * elapsed / spent


def _new_trial(known: Sequence[_Life], *, prunes: bool) -> float:
    """The seconds that a new trial lasts."""
    recent = known[-max(FEWEST_RECENT, len(known) // 2) :]
    seconds = _Lengths(recent).left(0.0)
    first_pruned = min((one.ended for one in known if one.is_pruned), default=None)
    if not prunes or (first_pruned is None and sum(one.has_ended for one in known) >= LEARNING):
        return seconds
    before = [one for one in recent if first_pruned is None or one.began < first_pruned]
    return seconds * (1 - len(before) / len(recent) / 2)


def _counts(trial: FrozenTrial, since: datetime) -> bool:
    """Whether a trial runs, or has finished since the search began."""
    if trial.state is TrialState.RUNNING:
        return True
    return trial.state in FINISHED and trial.datetime_complete is not None and trial.datetime_complete > since


class _Life(NamedTuple):
    """The part of a trial that belongs to this search."""

    began: datetime
    ended: datetime
    """The end, or now."""
    has_ended: bool
    is_pruned: bool

    @classmethod
    def of(cls, trial: FrozenTrial, since: datetime, now: datetime) -> _Life:
        began, ended = max(trial.datetime_start or since, since), trial.datetime_complete
        return cls(began, max(began, ended or now), ended is not None, trial.state is TrialState.PRUNED)

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


class _Lengths:
    """How long trials last."""

    def __init__(self, lives: Sequence[_Life]) -> None:
        self._step = max(*(one.seconds for one in lives), 1e-6) / N_AGES
        n_reached, n_ended = Counter[int](), Counter[int]()
        for one in lives:
            age = max(1, round(one.seconds / self._step)) if one.has_ended else int(one.seconds / self._step)
            n_reached[age] += 1
            n_ended[age] += one.has_ended
        ages = range(N_AGES, 0, -1)
        left = [BEYOND * N_AGES]
        for age, n_at_risk in zip(ages, accumulate(n_reached[age] for age in ages), strict=True):
            rate = (n_ended[age] + PRIOR / N_AGES) / (n_at_risk + PRIOR)
            left.append(1 + (1 - rate) * left[-1])
        self._left = left[::-1]
        """The steps that a trial is yet to last, by its age in steps."""

    def left(self, seconds: float) -> float:
        """The seconds that a trial of an age is yet to last."""
        return self._step * self._left[min(int(seconds / self._step), N_AGES)]
