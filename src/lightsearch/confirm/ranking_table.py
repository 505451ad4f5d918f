"""The ranking as a table: on a terminal, and in Markdown."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from lightsearch.confirm.ranking import Ranked
from lightsearch.display.wording import describe_params


def columns(metric: str) -> list[str]:
    """The heads of the columns that ``cells`` fills."""
    return ["configuration", f"mean {metric}", "95% interval", "sd", "seeds", "in the search", "epochs"]


def cells(one: Ranked) -> list[str]:
    """A configuration's figures as text: name, mean, interval, spread, seeds, value in the search, epochs."""
    return [
        one.label,
        "-" if one.mean is None else f"{one.mean:.5f}",
        "-" if one.interval is None else f"{one.interval[0]:.5f} to {one.interval[1]:.5f}{' (clipped)' * one.cut}",
        "-" if one.sd is None else f"{one.sd:.5f}",
        f"{len(one.values)}" + (f" (+{len(one.failures)} failed)" if one.failures else ""),
        "-" if one.search_value is None else f"{one.search_value:.5f}",
        str(one.best_epochs) if one.epochs else "-",
    ]


def ranking_table(ranked: list[Ranked], metric: str) -> Table:
    """The configurations for a terminal, the best first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*columns(metric), ""):
        table.add_column(column, justify="left" if column in ("configuration", "") else "right")
    for one in ranked:
        table.add_row(*cells(one), escape(describe_params(one.params)))
    return table


def markdown_table(ranked: list[Ranked], metric: str) -> str:
    """The configurations in Markdown, the best first."""
    head = [*columns(metric), "parameters"]
    rows = [[*cells(one), describe_params(one.params).replace("|", "\\|")] for one in ranked]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
