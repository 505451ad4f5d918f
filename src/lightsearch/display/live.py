"""Progress on a terminal or in a notebook: a picture that stays in place."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightsearch.display.notebook import Picture
from lightsearch.display.pace import Pace
from lightsearch.display.wording import describe_outcome, describe_params, front_text, latest, n_finished
from lightsearch.outcome import Outcome
from lightsearch.paths import study_folder
from lightsearch.study.leaders import leaders

PLACE_SECONDS = 5.0
"""How often a line says where trials run, at most: workers come one by one."""


class LiveDisplay:
    """A picture of the search that stays in place, on a terminal or in a notebook.

    A context manager: the picture is drawn while it is entered.
    """

    def __init__(
        self, console: Console, *, name: str, metric: str, direction: str | Sequence[str], n_trials: int
    ) -> None:
        self.console = console
        self.direction = direction
        self.name = name
        self.metric = metric
        self.n_trials = n_trials
        self.pace = Pace(n_trials)
        self._place = ""
        self._live: Live | Picture = Live(console=console, refresh_per_second=4, transient=True)
        if console.is_jupyter:
            self._live = Picture()

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    def place(self, text: str) -> None:
        self._place = text

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        self.pace.count(outcome)
        if outcome.error is not None:
            self.message(describe_outcome(outcome))
        self._draw(trials)

    def update(self, study: optuna.Study) -> None:
        self.pace.begin()
        self._draw(study.get_trials(deepcopy=False))

    def _draw(self, trials: list[FrozenTrial]) -> None:
        place = [Text(self._place, style="dim")] if self._place else []
        self._live.update(Group(self._head(trials), self._best(trials), *place, self._table(trials)))

    def _head(self, trials: list[FrozenTrial]) -> Table:
        done = n_finished(trials)
        states = {state: sum(trial.state is state for trial in trials) for state in TrialState}
        counts = f"{done}/{self.n_trials} trials"
        details = [
            f"{states[state]} {state.name.lower() if state is not TrialState.FAIL else 'failed'}"
            for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
            if states[state]
        ]
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(self.name, style="bold"),
            ProgressBar(total=self.n_trials, completed=done, width=30),
            Text(counts, style="bold"),
            Text(", ".join(details)),
            Text(self.pace.left(trials), style="dim"),
        )
        return head

    def _best(self, trials: list[FrozenTrial]) -> Text:
        best = leaders(trials, self.direction, 1)
        if not best:
            return Text(f"best {self.metric}: none yet", style="dim")
        return Text.assemble(
            f"best {self.metric}: ",
            (f"{best[0].value:.5g}", "bold green"),
            f"  trial {best[0].number}  ",
            (describe_params(best[0].params), "dim"),
            front_text(trials, self.direction),
        )

    def _table(self, trials: list[FrozenTrial]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("running", "epoch", self.metric, "parameters"):
            table.add_column(column, justify="right" if column in ("epoch", self.metric) else "left")
        for trial in trials:
            if trial.state is TrialState.RUNNING:
                epoch, value = latest(trial, study_folder(self.name), self.metric)
                table.add_row(f"trial {trial.number}", epoch, value, escape(describe_params(trial.params)))
        return table
