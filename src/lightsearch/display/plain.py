"""The plain display: lines for a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from lightsearch.display.pace import Pace
from lightsearch.display.trial_lines import TrialLines
from lightsearch.display.wording import describe_not_resumed, describe_pareto_front
from lightsearch.outcome import Outcome
from lightsearch.study import status
from lightsearch.study.best_so_far import best_so_far

WORKERS_SECONDS = 5.0
"""The least time between two lines about the workers, which come one by one."""

SILENT_SECONDS = 60.0
"""A line says how far a search is if no trial has ended for so long."""


class PlainDisplay:
    """One line per finished trial: for a file, a pipe, a batch job.

    Args:
        console: Where the lines go.
        direction: The study's direction; with several objectives, one for each.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
        prunes: Whether the study has a pruner.
        max_epochs: Epochs of a trial's whole training; None: trials have steps of their own.
        further: The names of the objectives after the first.
    """

    def __init__(
        self,
        console: Console,
        *,
        direction: str | Sequence[str],
        n_trials: int,
        epochs: int | None = None,
        prunes: bool = False,
        max_epochs: int | None = None,
        further: Sequence[str] = (),
    ) -> None:
        self.console = console
        self.direction = direction
        self.pace = Pace(n_trials, epochs, prunes=prunes, max_epochs=max_epochs)
        self._lines = TrialLines(n_trials, max_epochs, further)
        self._workers, self._workers_shown = "", float("-inf")
        self._shown = time.monotonic()
        """When the last line about trials was shown."""

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show_workers(self, text: str) -> None:
        if text != self._workers and time.monotonic() - self._workers_shown > WORKERS_SECONDS:
            self._workers, self._workers_shown = text, time.monotonic()
            if text:
                self.message(text)

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        self._line(self._lines.line(outcome, trials), trials)

    def not_resumed(self, outcomes: Sequence[Outcome], trials: list[FrozenTrial]) -> None:
        self._line(describe_not_resumed([outcome.number for outcome in outcomes]), trials)

    def update(self, study: optuna.Study) -> None:
        if not self.pace.has_begun:
            self.pace.begin(study.get_trials(deepcopy=False))
            self._shown = time.monotonic()
        elif time.monotonic() - self._shown > SILENT_SECONDS:
            self._shown = time.monotonic()
            trials = study.get_trials(deepcopy=False)
            self._line(status.describe_counts(status.count(trials)), trials)

    def _line(self, text: str, trials: list[FrozenTrial]) -> None:
        self._shown = time.monotonic()
        best = best_so_far(trials, self.direction)
        if best is not None:
            found = f"best {best.value:.5g} ({best.trial}){describe_pareto_front(trials, self.direction)}"
            text += f" | {self._lines.best(found)}"
        self.message(f"[{self.pace.progress(trials)}] {text} | {self.pace.describe(trials)}")
