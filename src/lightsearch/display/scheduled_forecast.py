"""How long the rest of a search takes whose trials pause: judged by the epochs that it has yet to train.

Nobody knows what a scheduler is yet to choose. But new trials begin as they have begun so far, and freeze-thaw begins
few at a time. Once all have, it goes on for some whole trainings' worth of epochs.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from lightsearch.display.wording import n_begun
from lightsearch.study.budget import n_epochs
from lightsearch.study.schedulers.pacing import PER_TRAINING

FURTHER_TRAININGS = 5
"""Whole trainings' worth of epochs that a search takes once all trials have begun. In simulated searches of 20 to 100
trials it was 2 to 9."""


class ScheduledForecast:
    """Follows a search.

    Args:
        n_trials: The study's total of trials.
        max_epochs: Epochs of a whole training.
    """

    def __init__(self, n_trials: int, max_epochs: int) -> None:
        self._n_trials = n_trials
        self._max_epochs = max_epochs
        self._first: tuple[int, int] | None = None
        """The trials that had begun before this run, and their epochs."""
        self._all_begun: int | None = None
        """The epochs when all trials had begun."""

    def seconds_to_go(self, trials: Sequence[FrozenTrial], elapsed: float) -> float | None:
        """The seconds until the search ends; None: it has trained too little, or lasts longer than expected.

        Args:
            trials: All trials of the study.
            elapsed: Seconds since the first trial of this run began.
        """
        begun, epochs = n_begun(list(trials)), n_epochs(trials)
        if self._first is None:
            self._first = begun, epochs
        if begun >= self._n_trials and self._all_begun is None:
            self._all_begun = epochs
        trained, new = epochs - self._first[1], begun - self._first[0]
        if not trained:
            return None
        left = FURTHER_TRAININGS * self._max_epochs
        if self._all_begun is not None:
            left -= epochs - self._all_begun
        else:
            each = max(trained / max(new, 1), self._max_epochs / PER_TRAINING)
            left += round((self._n_trials - begun) * each)
        return elapsed * left / trained if left > 0 else None
