"""The display of a retraining: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightsearch.confirm.runs import Run, RunOutcome
from lightsearch.display.epochs import last_row
from lightsearch.display.terminal import without_echoed_signals
from lightsearch.display.wording import describe_time


class RetrainDisplay:
    """Shows the progress of runs.

    It is a context manager; on a terminal it shows the picture while it is entered.

    Args:
        console: The terminal, the file or the pipe.
        metric: The study's metric.
        direction: ``maximize`` or ``minimize``.
    """

    def __init__(self, console: Console, *, metric: str = "", direction: str = "maximize") -> None:
        self.console = console
        self.metric = metric
        self.direction = direction
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._shown = contextlib.ExitStack()
        self._values: dict[str, list[float]] = defaultdict(list)
        self._total = self._done = self._done_here = 0
        self._began = time.monotonic()

    def __enter__(self) -> RetrainDisplay:
        if self._live is not None:
            self._shown.enter_context(without_echoed_signals(self.console))
            self._live.start()
            self._shown.callback(self._live.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def message(self, text: str) -> None:
        """Prints a message once."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, runs: list[Run], outcomes: list[RunOutcome | None]) -> None:
        """Starts the count of some runs; those with an outcome are done already."""
        self._values.clear()
        self._total, self._done, self._done_here = len(runs), 0, 0
        self._began = time.monotonic()
        for run, outcome in zip(runs, outcomes, strict=True):
            if outcome is not None:
                self._count(run, outcome)
        if self._done:
            self.message(f"{self._done} of {self._total} runs are done already")

    def finished(self, run: Run, outcome: RunOutcome) -> None:
        """Shows the end of a run."""
        self._count(run, outcome)
        self._done_here += 1
        if self._live is None or outcome.error is not None:
            self.message(" | ".join([f"[{self._done}/{self._total}] {_describe(run, outcome)}", *self._summary()]))

    def update(self, running: list[tuple[Run, Path]]) -> None:
        """Shows the runs that are running, each with its folder."""
        if self._live is None:
            return
        if self._done == self._total:
            self._live.update(Text())
            return
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self._total, completed=self._done, width=30)
        head.add_row(bar, Text(f"{self._done}/{self._total} runs", style="bold"), Text(self._time(), style="dim"))
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("running", "epoch", self.metric):
            table.add_column(column, justify="left" if column == "running" else "right")
        for run, folder in running:
            row = last_row(folder)
            value = row.get(self.metric)
            table.add_row(
                run.title,
                str(int(row["epoch"]) + 1) if row.get("epoch") else "-",
                f"{float(value):.5g}" if value else "-",
            )
        self._live.update(Group(head, *map(Text, self._summary()[:-1]), table))

    def _count(self, run: Run, outcome: RunOutcome) -> None:
        self._done += 1
        if outcome.value is not None:
            self._values[run.label].append(outcome.value)

    def _summary(self) -> list[str]:
        """The best configuration so far, if there is a choice, and the time."""
        if self._total == 1 or not self._values:
            return [self._time()]
        choose = max if self.direction == "maximize" else min
        label, values = choose(self._values.items(), key=lambda item: statistics.fmean(item[1]))
        return [f"best so far {label}, {statistics.fmean(values):.5g} in the mean of {len(values)}", self._time()]

    def _time(self) -> str:
        elapsed = time.monotonic() - self._began
        missing = self._total - self._done
        return describe_time(elapsed, elapsed / self._done_here * missing if self._done_here else None)


def _describe(run: Run, outcome: RunOutcome) -> str:
    text = f"{run.title}: "
    if outcome.error is not None:
        return f"{text}{outcome.kind}: {outcome.error.type}: {outcome.error.message}"
    if outcome.value is None:
        return f"{text}trained for {outcome.epochs} epochs, {outcome.seconds:.1f} s"
    details = f"best epoch {(outcome.best_epoch or 0) + 1}, {outcome.epochs} trained, {outcome.seconds:.1f} s"
    return f"{text}{outcome.value:.5g} ({details})"
