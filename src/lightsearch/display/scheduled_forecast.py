"""How long the rest of a search takes whose trials pause: judged by the epochs that it has yet to train.

Nobody knows what a scheduler is yet to choose. But new trials begin as they have begun so far, and freeze-thaw begins
few at a time. Once all have, it goes on for some whole trainings' worth of epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from optuna.trial import FrozenTrial

from lightsearch.display.wording import n_begun
from lightsearch.study.budget import n_epochs
from lightsearch.study.schedulers.pacing import PER_TRAINING

FURTHER_TRAININGS = 5
"""Whole trainings' worth of epochs that a search takes once all trials have begun. In simulated searches of 20 to 100
trials it was 2 to 9."""


class Standing(NamedTuple):
    """How far a study is."""

    begun: int
    """The trials that have begun."""
    epochs: int
    """The epochs of all trials."""

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial]) -> Standing:
        return cls(n_begun(list(trials)), n_epochs(trials))


def scheduled_seconds_to_go(
    trials: Sequence[FrozenTrial], n_trials: int, max_epochs: int, before: Standing, since: datetime, now: datetime
) -> float | None:
    """The seconds until the search ends; None: it has trained too little, or lasts longer than expected.

    Args:
        trials: All trials of the study.
        n_trials: The study's total of trials.
        max_epochs: Epochs of a whole training.
        before: How far the study was when this search began its first trial.
        since: When that was, in local time.
        now: The time.
    """
    progress = Standing.of(trials)
    trained = progress.epochs - before.epochs
    if not trained:
        return None
    each = (now - since).total_seconds() / trained
    further = each * FURTHER_TRAININGS * max_epochs
    if progress.begun < n_trials:
        of_new = max(trained / max(progress.begun - before.begun, 1), max_epochs / PER_TRAINING)
        return each * of_new * (n_trials - progress.begun) + further
    all_begun = max([since, *(trial.datetime_start for trial in trials if trial.datetime_start is not None)])
    left = further - (now - all_begun).total_seconds()
    return left if left > 0 else None
