"""The table of the leading trials at the end of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from lightsearch.display.wording import describe_param
from lightsearch.study.pareto import as_list


def leaders_table(entries: list[dict[str, Any]], metric: str | Sequence[str]) -> Table:
    """The leading trials, or the Pareto front of several objectives, as a table.

    Args:
        entries: The trials as ``results.json`` lists them.
        metric: The study's metric; with several objectives, one for each.
    """
    columns, rows = leader_rows(entries, metric)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def leader_rows(entries: list[dict[str, Any]], metric: str | Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The columns of that table, and the text of its rows; see ``leaders_table`` for the arguments."""
    metrics = as_list(metric)
    params = list(dict.fromkeys(name for entry in entries for name in entry["params"]))
    std = ["std"] if any(entry.get("std") is not None for entry in entries) else []
    epochs = [] if all(entry["best_epoch"] is None for entry in entries) else ["best epoch", "epochs"]
    rows = [
        [
            str(entry["number"]),
            f"{entry['value']:.5g}",
            *(f"{entry['metrics'][name]:.5g}" for name in metrics[1:]),
            *("-" if entry["std"] is None else f"{entry['std']:.2g}" for _ in std),
            *(_epochs(entry) if epochs else ()),
            *(describe_param(entry["params"][name]) if name in entry["params"] else "-" for name in params),
        ]
        for entry in entries
    ]
    return ["trial", *metrics, *std, *epochs, *params], rows


def _epochs(entry: dict[str, Any]) -> tuple[str, str]:
    """The best epoch, counted from 1, and the number of epochs."""
    best = entry["best_epoch"]
    return "-" if best is None else str(best + 1), str(entry["epochs"])
