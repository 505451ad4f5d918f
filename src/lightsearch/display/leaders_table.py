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
    metrics = as_list(metric)
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
