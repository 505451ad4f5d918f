"""The live display: a picture of the search that stays in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lightsearch.display.notebook import NotebookLive
from lightsearch.display.pace import Pace
from lightsearch.display.running_table import running_table
from lightsearch.display.terminal import without_echoed_signals
from lightsearch.display.wording import describe_outcome, describe_params, describe_pareto_front
from lightsearch.outcome import Outcome
from lightsearch.study import status
from lightsearch.study.best_so_far import BestSoFar, best_so_far
from lightsearch.study.pareto import as_list
from lightsearch.study.status import Status

NOT_COUNTED = (Status.RUNNING, Status.ENQUEUED)
"""What the head of the picture does not count: the table below it shows the trials that run."""


class LiveDisplay:
    """A picture of the search that stays in one place, on a terminal or in a notebook.

    It is a context manager, and shows the picture while it is entered.

    Args:
        console: The terminal or the notebook.
        name: The study's name.
        metric: The study's metric; with several objectives, the first.
        direction: The study's direction; with several objectives, one for each.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
        prunes: Whether the study has a pruner.
        max_epochs: Epochs of a trial's whole training; None: trials have steps of their own.
    """

    def __init__(
        self,
        console: Console,
        *,
        name: str,
        metric: str,
        direction: str | Sequence[str],
        n_trials: int,
        epochs: int | None = None,
        prunes: bool = False,
        max_epochs: int | None = None,
    ) -> None:
        self.console = console
        self.max_epochs = max_epochs
        self.direction = direction
        self.name = name
        self.metric = metric
        self.pace = Pace(n_trials, epochs, prunes=prunes, max_epochs=max_epochs)
        self._workers = ""
        self._live: Live | NotebookLive = Live(console=console, refresh_per_second=4, transient=True)
        if console.is_jupyter:
            self._live = NotebookLive()
        self._shown = contextlib.ExitStack()

    def __enter__(self) -> LiveDisplay:
        self._shown.enter_context(without_echoed_signals(self.console))
        self._live.start()
        self._shown.callback(self._live.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def message(self, text: str) -> None:
        if text.endswith("...") and not self.console.is_jupyter and not self.pace.has_begun:
            self._live.update(Spinner("dots", Text(text)))  # until the next message, or the first picture
        else:
            self.console.print(text, markup=False, highlight=False)

    def show_workers(self, text: str) -> None:
        self._workers = text

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        if outcome.error is not None:
            self.message(describe_outcome(outcome))
        self._draw(trials)

    def not_resumed(self, outcomes: Sequence[Outcome], trials: list[FrozenTrial]) -> None:  # noqa: ARG002
        self._draw(trials)

    def update(self, study: optuna.Study) -> None:
        trials = study.get_trials(deepcopy=False)
        self.pace.begin(trials)
        self._draw(trials)

    def _draw(self, trials: list[FrozenTrial]) -> None:
        workers = [Text(self._workers, style="dim")] if self._workers else []
        best = best_so_far(trials, self.direction)
        running = running_table(
            [trial for trial in trials if trial.state is TrialState.RUNNING],
            None if best is None else next(trial for trial in trials if trial.number == best.number),
            metric=self.metric,
            minimize=as_list(self.direction)[0] == "minimize",
            max_epochs=self.max_epochs,
            console=self.console,
        )
        counts = {name: n for name, n in status.count(trials).items() if name not in NOT_COUNTED}
        pace = Text(self.pace.describe(trials), style="dim")
        line = Text(" | ").join([Text(status.describe_counts(counts)), pace] if counts else [pace])
        self._live.update(Group(self._head(trials), line, self._best(best, trials), *workers, running))

    def _head(self, trials: list[FrozenTrial]) -> Table:
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(self.name, style="bold"),
            ProgressBar(total=self.pace.total, completed=self.pace.done(trials), width=30),
            Text(f"{self.pace.progress(trials).strip()} {self.pace.unit}", style="bold"),
        )
        return head

    def _best(self, best: BestSoFar | None, trials: list[FrozenTrial]) -> Text:
        if best is None:
            return Text(f"best {self.metric}: none yet", style="dim")
        return Text.assemble(
            f"best {self.metric}: ",
            (f"{best.value:.5g}", "bold green"),
            f"  {best.trial}  ",
            (describe_params(best.params), "dim"),
            describe_pareto_front(trials, self.direction),
        )
