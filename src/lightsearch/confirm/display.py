"""A retraining as it goes: a picture that stays in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightsearch.confirm.ranking import Ranked
from lightsearch.confirm.runs import Run, RunOutcome
from lightsearch.display.epochs import last_row
from lightsearch.display.wording import describe_params, duration


class Display:
    """Shows how runs go.

    A context manager: on a terminal the picture is drawn while it is entered.

    Args:
        console: The screen, a file or a pipe.
        metric: The study's metric.
        direction: ``maximize`` or ``minimize``.
    """

    def __init__(self, console: Console, *, metric: str = "", direction: str = "maximize") -> None:
        self.console = console
        self.metric = metric
        self.direction = direction
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._values: dict[str, list[float]] = defaultdict(list)
        self._total = self._done = self._done_here = 0
        self._began = time.monotonic()

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def message(self, text: str) -> None:
        """Says something once."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, runs: list[Run], outcomes: list[RunOutcome | None]) -> None:
        """Some runs are about to be done; those that have an outcome are done already."""
        self._values.clear()
        self._total, self._done, self._done_here = len(runs), 0, 0
        self._began = time.monotonic()
        for run, outcome in zip(runs, outcomes, strict=True):
            if outcome is not None:
                self._count(run, outcome)
        if self._done:
            self.message(f"{self._done} of {self._total} runs are done already")

    def finished(self, run: Run, outcome: RunOutcome) -> None:
        """A run has ended."""
        self._count(run, outcome)
        self._done_here += 1
        if self._live is None or outcome.error is not None:
            self.message(" | ".join([f"[{self._done}/{self._total}] {_describe(run, outcome)}", *self._standing()]))

    def update(self, running: list[tuple[Run, Path]]) -> None:
        """Shows what runs now, each with its folder."""
        if self._live is None:
            return
        if self._done == self._total:
            self._live.update(Text())
            return
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self._total, completed=self._done, width=30)
        head.add_row(bar, Text(f"{self._done}/{self._total} runs", style="bold"), Text(self._left(), style="dim"))
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("running", "epoch", self.metric):
            table.add_column(column, justify="left" if column == "running" else "right")
        for run, folder in running:
            row = last_row(folder)
            table.add_row(run.title, row.get("epoch", "-"), _short(row.get(self.metric)))
        self._live.update(Group(head, *map(Text, self._standing()[:-1]), table))

    def _count(self, run: Run, outcome: RunOutcome) -> None:
        self._done += 1
        if outcome.value is not None:
            self._values[run.label].append(outcome.value)

    def _standing(self) -> list[str]:
        """The best so far, where there is a choice, and the time."""
        if self._total == 1 or not self._values:
            return [self._left()]
        choose = max if self.direction == "maximize" else min
        label, values = choose(self._values.items(), key=lambda item: statistics.fmean(item[1]))
        return [f"best so far {label}, {statistics.fmean(values):.5g} in the mean of {len(values)}", self._left()]

    def _left(self) -> str:
        elapsed = time.monotonic() - self._began
        if not self._done_here:
            return f"{duration(elapsed)} so far"
        left = elapsed / self._done_here * (self._total - self._done)
        return f"{duration(elapsed)} so far, about {duration(left)} to go"


def ranking_table(ranked: list[Ranked], metric: str) -> Table:
    """The configurations, the best first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("configuration", f"mean {metric}", "95% interval", "sd", "seeds", "in the search", "epochs", ""):
        table.add_column(column, justify="left" if column in ("configuration", "") else "right")
    for one in ranked:
        table.add_row(*cells(one), escape(describe_params(one.params)))
    return table


def cells(one: Ranked) -> list[str]:
    """A configuration's figures as text: name, mean, interval, spread, seeds, value in the search, epochs."""
    return [
        one.label,
        "-" if one.mean is None else f"{one.mean:.5f}",
        "-" if one.interval is None else f"{one.interval[0]:.5f} to {one.interval[1]:.5f}{' (cut off)' * one.cut}",
        "-" if one.sd is None else f"{one.sd:.5f}",
        f"{len(one.values)}" + (f" (+{len(one.failures)} failed)" if one.failures else ""),
        "-" if one.search_value is None else f"{one.search_value:.5f}",
        str(one.best_epochs) if one.epochs else "-",
    ]


def _describe(run: Run, outcome: RunOutcome) -> str:
    text = f"{run.title}: "
    if outcome.error is not None:
        return f"{text}{outcome.kind}: {outcome.error.type}: {outcome.error.message}"
    if outcome.value is None:
        return f"{text}trained for {outcome.epochs} epochs, {outcome.seconds:.1f} s"
    details = f"best epoch {outcome.best_epoch}, {outcome.epochs} trained, {outcome.seconds:.1f} s"
    return f"{text}{outcome.value:.5g} ({details})"


def _short(value: str | None) -> str:
    return f"{float(value):.5g}" if value else "-"
