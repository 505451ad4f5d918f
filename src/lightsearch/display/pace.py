"""How fast trials finish, and how long the rest will take."""

from __future__ import annotations

import time

from optuna.trial import FrozenTrial

from lightsearch.display.wording import duration, n_finished
from lightsearch.outcome import Outcome


class Pace:
    """How fast trials finish in this run: from its first trial on, without the imports and checks before."""

    def __init__(self, n_trials: int) -> None:
        self.n_trials = n_trials
        self._began: float | None = None
        self._counted = 0

    def begin(self) -> None:
        """Trials begin now, unless they have already."""
        if self._began is None:
            self._began = time.monotonic()

    def count(self, outcome: Outcome) -> None:
        self._counted += outcome.policy.counts

    def left(self, trials: list[FrozenTrial]) -> str:
        """The time to go, in words."""
        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        missing = max(self.n_trials - n_finished(trials), 0)
        if not self._counted:
            return f"{duration(elapsed)} so far"
        return f"{duration(elapsed)} so far, about {duration(elapsed / self._counted * missing)} to go"
