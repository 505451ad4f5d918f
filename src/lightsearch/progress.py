"""The search as it goes: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightsearch.folders import study_folder, trial_folder
from lightsearch.notebook import Picture
from lightsearch.outcome import Outcome
from lightsearch.pareto import listed
from lightsearch.study import front, leaders
from lightsearch.study_file import default_metric

PLACE_SECONDS = 5.0
"""How often a line says where trials run, at most: workers come one by one."""


class Display(Protocol):
    """Where a search shows how it goes."""

    def message(self, text: str) -> None:
        """Says something once."""

    def place(self, text: str) -> None:
        """Where trials run, if that is not this machine; it may be said again and again."""

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        """A trial has ended; ``trials`` are all of the study."""

    def update(self, study: optuna.Study) -> None:
        """Shows the study as it stands; first of all before its trials begin."""


@contextlib.contextmanager
def display_on(console: Console, declared: dict[str, Any], n_trials: int) -> Iterator[Display]:
    """The display that suits a screen: a picture that stays in place on a terminal or in a notebook, else lines.

    Args:
        console: The screen, a file or a pipe.
        declared: The study file's content, not yet validated.
        n_trials: The study's total of finished trials.
    """
    shown: dict[str, Any] = {"direction": declared.get("direction", "maximize"), "n_trials": n_trials}
    metric = declared.get("metric", default_metric(declared))
    metrics = metric if isinstance(metric, list) and metric else [metric]
    if not (console.is_terminal or console.is_jupyter):
        yield PlainDisplay(console, further=metrics[1:], **shown)
        return
    with LiveDisplay(console, name=str(declared.get("name")), metric=str(metrics[0]), **shown) as live:
        yield live


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
        line = f"[{_n_finished(trials)}/{self.n_trials}] {describe_outcome(outcome, self.further)}"
        best = leaders(trials, self.direction, 1)
        if best:
            line += f" | best {best[0].value:.5g} (trial {best[0].number}){_front(trials, self.direction)}"
        self.message(f"{line} | {self.pace.left(trials)}")

    def update(self, study: optuna.Study) -> None:  # noqa: ARG002
        self.pace.begin()


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
        done = _n_finished(trials)
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
            _front(trials, self.direction),
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
        missing = max(self.n_trials - _n_finished(trials), 0)
        if not self._counted:
            return f"{duration(elapsed)} so far"
        return f"{duration(elapsed)} so far, about {duration(elapsed / self._counted * missing)} to go"


def describe_outcome(outcome: Outcome, further: Sequence[str] = ()) -> str:
    """A finished trial in a line, with its further objectives."""
    line = f"trial {outcome.number} {outcome.kind}"
    if outcome.error is not None:
        line += f": {outcome.error.type}: {outcome.error.message}"
    elif outcome.value is not None:
        epochs = f"best epoch {outcome.best_epoch}, {outcome.epochs} trained, "
        if outcome.best_epoch is None:
            epochs = f"{outcome.epochs} steps, " if outcome.epochs else ""
        line += f" {outcome.value:.5g}"
        line += "".join(f", {name} {outcome.metrics[name]:.5g}" for name in further if name in outcome.metrics)
        line += f" ({epochs}{outcome.seconds:.1f} s)"
    return f"{line} {describe_params(outcome.params)}"


def describe_params(params: dict[str, Any]) -> str:
    """Parameters in a line: ``hidden_size=128 learning_rate=0.00123``."""
    return " ".join(f"{name}={describe_param(value)}" for name, value in params.items())


def describe_param(value: Any) -> str:
    """A parameter's value for people: four figures."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def latest(trial: FrozenTrial, folder: Path, metric: str) -> tuple[str, str]:
    """A running trial's last epoch and metric, as text.

    Args:
        trial: The trial.
        folder: The study's; of several objectives nothing is reported, and only the trial's own folder knows.
        metric: The study's first metric.
    """
    step = trial.last_step
    if step is not None:
        return str(step), f"{trial.intermediate_values[step]:.5g}"
    row = last_epoch(trial_folder(folder, trial.number))
    return (row["epoch"], f"{float(row[metric]):.5g}") if row.get("epoch") and row.get(metric) else ("-", "-")


def last_epoch(folder: Path) -> dict[str, str]:
    """The last row of a trial's or a run's ``epochs.csv``; empty if there is none yet, or it is being written."""
    with contextlib.suppress(OSError, csv.Error), (folder / "epochs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        return {name: value or "" for name, value in rows[-1].items()} if rows else {}
    return {}


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def leaders_table(entries: list[dict[str, Any]], metric: str | Sequence[str]) -> Table:
    """The leading trials of ``results.json``, or the front of several objectives."""
    metrics = listed(metric)
    params = list(dict.fromkeys(name for entry in entries for name in entry["params"]))
    epochs = [] if all(entry["best_epoch"] is None for entry in entries) else ["best epoch", "epochs"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("trial", *metrics, *epochs, *params):
        table.add_column(column, justify="right")
    for entry in entries:
        table.add_row(
            str(entry["number"]),
            f"{entry['value']:.5g}",
            *(f"{entry['metrics'][name]:.5g}" for name in metrics[1:]),
            *(str(entry[column.replace(" ", "_")]) for column in epochs),
            *(escape(describe_param(entry["params"][name])) if name in entry["params"] else "-" for name in params),
        )
    return table


def _front(trials: list[FrozenTrial], direction: str | Sequence[str]) -> str:
    """How many trials are on the front, in words; nothing where there is one objective."""
    directions = listed(direction)
    return f", front of {len(front(trials, directions))}" if len(directions) > 1 else ""


def _n_finished(trials: list[FrozenTrial]) -> int:
    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
