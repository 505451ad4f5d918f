"""Progress as plain lines: for a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from lightsearch.display.live import PLACE_SECONDS
from lightsearch.display.pace import Pace
from lightsearch.display.wording import describe_outcome, front_text, n_finished
from lightsearch.outcome import Outcome
from lightsearch.study.leaders import leaders


class PlainDisplay:
    """One line a finished trial: for a file, a pipe, a batch job.

    Args:
        console: Where the lines go.
        direction: The study's; of several objectives one for each.
        n_trials: The study's total of finished trials.
        further: The objectives after the first.
    """

    def __init__(
        self, console: Console, *, direction: str | Sequence[str], n_trials: int, further: Sequence[str] = ()
    ) -> None:
        self.console = console
        self.direction = direction
        self.further = further
        self.n_trials = n_trials
        self.pace = Pace(n_trials)
        self._place, self._placed = "", float("-inf")

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def place(self, text: str) -> None:
        if text != self._place and time.monotonic() - self._placed > PLACE_SECONDS:
            self._place, self._placed = text, time.monotonic()
            if text:
                self.message(text)

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        self.pace.count(outcome)
        line = f"[{n_finished(trials)}/{self.n_trials}] {describe_outcome(outcome, self.further)}"
        best = leaders(trials, self.direction, 1)
        if best:
            line += f" | best {best[0].value:.5g} (trial {best[0].number}){front_text(trials, self.direction)}"
        self.message(f"{line} | {self.pace.left(trials)}")

    def update(self, study: optuna.Study) -> None:  # noqa: ARG002
        self.pace.begin()
