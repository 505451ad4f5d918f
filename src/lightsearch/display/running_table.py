"""The table of the trials that run, in the live display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from optuna.trial import FrozenTrial
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lightsearch.display.wording import describe_param, describe_params
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.scheduling import is_scheduled, until_of

LEVELS = "▁▂▃▄▅▆▇█"

CURVE_WIDTH = 12
"""The epochs that a curve in the table shows, the last ones."""

MIN_ROOM = 12
"""Characters that parameters have where they share a column; with less, there is no curve."""


def running_table(
    running: Sequence[FrozenTrial],
    best: FrozenTrial | None,
    *,
    metric: str,
    minimize: bool,
    max_epochs: int | None,
    console: Console,
) -> Table:
    """A row for each trial: its epochs, its value and how it compares with the best trial's, its curve, its parameters.

    Args:
        running: The trials.
        best: The best trial so far, which the others are compared with; None: there is none.
        metric: The study's metric; with several objectives, the first.
        minimize: Whether lower values are better.
        max_epochs: Epochs of a whole training; None: trials have steps of their own.
        console: Where it is shown. Parameters have a column each if there is room, else they share one.
    """
    curves = [curve_of(trial) for trial in running]
    columns = [
        _Column("running", [f"trial {trial.number}" for trial in running], "left"),
        _Column("epoch", [_epochs(curve, max_epochs) for curve in curves]),
        _Column(metric, [f"{curve[max(curve)]:.5g}" if curve else "-" for curve in curves]),
        _Column("to best", [_to_best(trial, best, minimize) for trial in running]),
        _Column("curve", [sparkline(list(curve.values())) for curve in curves], "left"),
    ]
    if is_scheduled(running):
        columns.insert(2, _Column("until", [str(until_of(trial.user_attrs) or "-") for trial in running]))
    names = list(dict.fromkeys(name for trial in running for name in trial.params))
    params = [_Column(name, [_param(trial, name) for trial in running]) for name in names]
    table = _table([*columns, *params])
    if _width(table, console) > console.width:
        if (room := _room(columns, console)) < MIN_ROOM:
            columns.pop()  # the curve
            room = _room(columns, console)
        shared = [Text(describe_params(trial.params)) for trial in running]
        for text in shared:
            text.truncate(max(room, MIN_ROOM), overflow="ellipsis")
        table = _table([*columns, _Column("parameters", shared, "left")])
    return table


class _Column(NamedTuple):
    header: str
    cells: Sequence[str | Text]
    justify: JustifyMethod = "right"


def _table(columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.header, justify=column.justify, no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


def _room(columns: Sequence[_Column], console: Console) -> int:
    """The characters that are left for one more column."""
    return console.width - _width(_table([*columns, _Column("", [""] * len(columns[0].cells))]), console)


def _width(table: Table, console: Console) -> int:
    """The columns of the screen that a table takes if it has them."""
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum


def _param(trial: FrozenTrial, name: str) -> Text:
    return Text(describe_param(trial.params[name]) if name in trial.params else "-")


def sparkline(values: Sequence[float]) -> str:
    """A curve in a line of characters, from its lowest value to its highest; a value that is not finite is a space."""
    shown = list(values)[-CURVE_WIDTH:]
    finite = [value for value in shown if abs(value) < float("inf")]
    if not finite:
        return ""
    lowest, spread = min(finite), max(finite) - min(finite)
    return "".join(_level(value, lowest, spread) for value in shown)


def _level(value: float, lowest: float, spread: float) -> str:
    if not abs(value) < float("inf"):
        return " "
    return LEVELS[round((len(LEVELS) - 1) * (value - lowest) / spread)] if spread else LEVELS[0]


def _epochs(curve: Mapping[int, float], max_epochs: int | None) -> str:
    """``7/20``: the epochs that a trial has, of those of a whole training."""
    done = max(curve) + 1 if curve else 0
    return str(done) if max_epochs is None else f"{done}/{max_epochs}"


def _to_best(trial: FrozenTrial, best: FrozenTrial | None, minimize: bool) -> Text:
    """How far a trial is from the best one at the same epoch: green if it is ahead."""
    if best is not None and trial.number == best.number:
        return Text("best", style="bold green")
    curve, other = curve_of(trial), {} if best is None else curve_of(best)
    step = max(curve, default=-1)
    if step not in other:
        return Text("-", style="dim")
    difference = curve[step] - other[step]
    ahead = -difference if minimize else difference
    return Text(f"{difference:+.2g}", style="green" if ahead > 0 else "red" if ahead < 0 else "")
