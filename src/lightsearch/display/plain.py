"""The plain display: lines for a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from lightsearch.display.pace import Pace
from lightsearch.display.wording import describe_outcome, describe_pareto_front
from lightsearch.outcome import Outcome
from lightsearch.study.leaders import leaders

WORKERS_SECONDS = 5.0
"""The least time between two lines about the workers, which come one by one."""


class PlainDisplay:
    """One line per finished trial: for a file, a pipe, a batch job.

    Args:
        console: Where the lines go.
        direction: The study's direction; with several objectives, one for each.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
        further: The names of the objectives after the first.
    """

    def __init__(
        self,
        console: Console,
        *,
        direction: str | Sequence[str],
        n_trials: int,
        epochs: int | None = None,
        further: Sequence[str] = (),
    ) -> None:
        self.console = console
        self.direction = direction
        self.further = further
        self.pace = Pace(n_trials, epochs)
        self._workers, self._workers_shown = "", float("-inf")

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show_workers(self, text: str) -> None:
        if text != self._workers and time.monotonic() - self._workers_shown > WORKERS_SECONDS:
            self._workers, self._workers_shown = text, time.monotonic()
            if text:
                self.message(text)

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        line = f"[{self.pace.progress(trials)}] {describe_outcome(outcome, self.further)}"
        best = leaders(trials, self.direction, 1)
        if best:
            front = describe_pareto_front(trials, self.direction)
            line += f" | best {best[0].value:.5g} (trial {best[0].number}){front}"
        self.message(f"{line} | {self.pace.describe(trials)}")

    def update(self, study: optuna.Study) -> None:
        if not self.pace.has_begun:
            self.pace.begin(study.get_trials(deepcopy=False))
