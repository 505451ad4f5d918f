"""How fast trials finish, and how long the rest will take."""

from __future__ import annotations

import time

from optuna.trial import FrozenTrial

from lightsearch.display.wording import duration, n_finished
from lightsearch.outcome import Outcome


class Pace:
    """The pace of this run, measured from its first trial on, without the imports and checks before.

    Args:
        n_trials: The study's total of finished trials.
    """

    def __init__(self, n_trials: int) -> None:
        self.n_trials = n_trials
        self._began: float | None = None
        self._n_counted = 0

    def begin(self) -> None:
        """Starts the clock at the first call."""
        if self._began is None:
            self._began = time.monotonic()

    def count(self, outcome: Outcome) -> None:
        """Counts a trial that has ended, if it counts towards the total."""
        self._n_counted += outcome.policy.counts

    def describe(self, trials: list[FrozenTrial]) -> str:
        """The time so far and the time to go, in words."""
        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        missing = max(self.n_trials - n_finished(trials), 0)
        if not self._n_counted:
            return f"{duration(elapsed)} so far"
        return f"{duration(elapsed)} so far, about {duration(elapsed / self._n_counted * missing)} to go"
