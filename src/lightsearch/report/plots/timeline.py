"""Which trial ran when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import NotShown, Plot, Trace, colour, text
from lightsearch.report.plots.trials import MANY_TRIALS

MAX_PAUSES = 50
"""The number of pauses that are marked."""
MAX_HEIGHT = 420


class Bar(NamedTuple):
    """A trial between two pauses, in seconds of search."""

    began: float
    ended: float
    lane: int
    """The row of the plot, from 1."""
    started: datetime
    """When it began, in UTC."""
    row: Row


def timeline(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot: a bar for each part of a trial between pauses, in as many rows as trials ran at a time.

    The time in which no trial ran is left out.
    """
    bars = _bars(facts)
    if not bars:
        raise NotShown("no trial has started")
    clock, (scale, unit) = facts.clock, facts.clock.unit
    groups: dict[str, list[Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.row.group, []).append(bar)
    gap = 0.5 if len(bars) <= MANY_TRIALS else 0
    n_lanes = max(bar.lane for bar in bars)
    layout = {
        "barmode": "overlay",
        "showlegend": True,
        "shapes": _pauses(facts),
        "xaxis": {"title": {"text": f"time searched, {unit}"}, "range": [0, 1.005 * clock.seconds / scale or 1]},
        "yaxis": {"title": {"text": "worker"}, "dtick": 1 if n_lanes <= 12 else 4, "showgrid": False,
                  "range": [n_lanes + 0.6, 0.4], "autorange": False},
    }  # fmt: skip
    data = [_trace(facts, group, found, gap) for group, found in groups.items()]
    return [Plot("Which trial ran when.", data, layout, height=min(MAX_HEIGHT, 130 + 28 * n_lanes))]


def _bars(facts: Facts) -> list[Bar]:
    """All trials that have run, by start, each in the first row that is free; one that pauses has several bars."""
    clock = facts.clock
    spans = sorted(
        (clock(started), clock(ended or facts.made), row.number, started, row)
        for row in facts.rows
        for started, ended in row.spans
    )
    busy_until: list[float] = []
    bars = []
    for began, ended, _, started, row in spans:
        free = [lane for lane, until in enumerate(busy_until) if until <= began + 1e-3]
        lane = free[0] if free else len(busy_until)
        if not free:
            busy_until.append(0.0)
        busy_until[lane] = ended
        bars.append(Bar(began, ended, lane + 1, started, row))
    return bars


def _trace(facts: Facts, group: str, bars: list[Bar], gap: float) -> Trace:
    scale, unit = facts.clock.unit
    return {
        "type": "bar", "orientation": "h", "name": group,
        "base": [round(bar.began / scale, 4) for bar in bars],
        "x": [round((bar.ended - bar.began) / scale, 4) for bar in bars],
        "y": [bar.lane for bar in bars], "width": 0.72,
        "marker": {"color": colour(group), "line": {"color": colour("surface"), "width": gap}},
        "customdata": [[bar.row.number, text(bar.row.kind), f"{bar.started:%Y-%m-%d %H:%M:%S} UTC"]
                       for bar in bars],
        "hovertemplate": "trial %{customdata[0]} · %{customdata[1]}<br>%{customdata[2]}<br>%{x:.3~g} "
        + f"{unit}<extra></extra>",
    }  # fmt: skip


def _pauses(facts: Facts) -> list[dict[str, Any]]:
    """A dotted line where the search paused."""
    at = [facts.clock(ended) / facts.clock.unit[0] for ended, _ in facts.clock.pauses[:MAX_PAUSES]]
    line = {"color": colour("muted"), "width": 1, "dash": "dot"}
    return [
        {"type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line} for x in at
    ]
