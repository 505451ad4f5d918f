"""How fast trials finish, and how long the rest will take."""

from __future__ import annotations

import time
from datetime import datetime

from optuna.trial import FrozenTrial

from lightsearch.display.forecast import seconds_to_go
from lightsearch.display.scheduled_forecast import Standing, scheduled_seconds_to_go
from lightsearch.display.wording import describe_time, n_begun, n_finished
from lightsearch.study.budget import n_epochs
from lightsearch.study.scheduling import is_scheduled


class Pace:
    """How far a study is, and the pace of this run, measured from its first trial on.

    Args:
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
        prunes: Whether the study has a pruner.
        max_epochs: Epochs of a trial's whole training; None: trials have steps of their own.
    """

    def __init__(
        self,
        n_trials: int,
        epochs: int | None = None,
        *,
        prunes: bool = False,
        max_epochs: int | None = None,
    ) -> None:
        self.total = n_trials if epochs is None else epochs
        """The total of what is counted: trials, or epochs."""
        self.unit = "trials" if epochs is None else "epochs"
        self._prunes = prunes
        self._max_epochs = max_epochs
        self._began: float | None = None
        self._since = datetime.now()
        """The same by the clock, local and without a zone, as Optuna's times are."""
        self._first = 0
        """What was done before this run."""
        self._before = Standing(0, 0)
        """How far the study was then."""

    @property
    def has_begun(self) -> bool:
        """Whether the clock runs."""
        return self._began is not None

    def begin(self, trials: list[FrozenTrial]) -> None:
        """Starts the clock at the first call."""
        if self._began is None:
            self._began, self._since = time.monotonic(), datetime.now()
            self._first, self._before = self.done(trials), Standing.of(trials)

    def done(self, trials: list[FrozenTrial]) -> int:
        """How many finished trials, or epochs, the study has."""
        return n_finished(trials) if self.unit == "trials" else n_epochs(trials)

    def progress(self, trials: list[FrozenTrial]) -> str:
        """``17/50``, as wide as ``50/50``."""
        return f"{self.done(trials):>{len(str(self.total))}}/{self.total}"

    def describe(self, trials: list[FrozenTrial]) -> str:
        """The time so far, and the time to go, in words; where trials pause, how many have begun, too."""
        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        if self.unit == "trials" and is_scheduled(trials):  # most trials finish together, when the search ends
            to_go = self._scheduled_to_go(trials)
            return f"{describe_time(elapsed, to_go)}, {n_begun(trials)} begun"
        if self._began is None:
            return describe_time(elapsed, None)
        if self.unit == "trials":
            to_go = seconds_to_go(trials, self.total, self._since, datetime.now(), prunes=self._prunes)
            return describe_time(elapsed, to_go)
        counted, missing = self.done(trials) - self._first, max(self.total - self.done(trials), 0)
        return describe_time(elapsed, elapsed / counted * missing if counted > 0 else None)

    def _scheduled_to_go(self, trials: list[FrozenTrial]) -> float | None:
        if self._began is None or self._max_epochs is None or self.done(trials) >= self.total:
            return None
        now = datetime.now()
        return scheduled_seconds_to_go(trials, self.total, self._max_epochs, self._before, self._since, now)
