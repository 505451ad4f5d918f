"""The plots of several objectives: one against another, with the Pareto front marked."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from lightsearch.report.facts import Facts, Row
from lightsearch.report.plots import MANY_TRIALS, Figure, colour, packed, text, tooltips
from lightsearch.study.pareto import spreads_of

WIDE = 20.0
"""An axis whose values differ by this factor is logarithmic."""


def fronts(facts: Facts) -> list[tuple[str, Figure]]:
    """Every pair of objectives, the later across and the earlier upwards, with words for a screen reader."""
    pairs = combinations(range(len(facts.objectives)), 2)
    return [
        (f"{facts.objectives[up][0]} over {facts.objectives[across][0]}, the Pareto front marked.",
         _pair(facts, across, up))
        for up, across in pairs
    ]  # fmt: skip


def _pair(facts: Facts, across: int, up: int) -> Figure:
    on_front = {row.number for row in facts.front}
    others = [row for row in facts.ranked if row.number not in on_front]
    ordered = sorted(facts.front, key=lambda row: (row.values[across], row.values[up]))
    traces = [_dots(facts, others, across, up), _dots(facts, ordered, across, up, front=True)]
    measured = any(any(spreads_of(row.trial)) for row in ordered)
    if len(facts.objectives) == 2 and not measured:  # of more, or with equals side by side, the front is no line
        falls_at_the_next = facts.objectives[across][1] == "maximize"
        traces[1] |= {
            "mode": "lines+markers",
            "line": {"color": colour("best"), "width": 1.5, "shape": "vh" if falls_at_the_next else "hv"},
        }
    layout = {"xaxis": _axis(facts, across), "yaxis": _axis(facts, up), "showlegend": True}
    return {"data": traces, "layout": layout, "height": 400}


def _dots(facts: Facts, rows: list[Row], across: int, up: int, *, front: bool = False) -> dict[str, Any]:
    size = 5.0 if len(facts.rows) <= MANY_TRIALS else 3.5
    return {
        "type": "scatter", "mode": "markers", "name": "Pareto front" if front else "other trials",
        "x": packed([row.values[across] for row in rows], "f8"),
        "y": packed([row.values[up] for row in rows], "f8"),
        "text": tooltips(rows, facts), "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": size + 3 if front else size, "color": colour("best" if front else "complete"),
                   "opacity": 1.0 if front else 0.6},
        **_bars("error_x", rows, across), **_bars("error_y", rows, up),
    }  # fmt: skip


def _bars(name: str, rows: list[Row], place: int) -> dict[str, Any]:
    """The spread of a measured objective, half of it to each side."""
    halves = [spreads_of(row.trial)[place] / 2 for row in rows]
    return {name: {"type": "data", "array": packed(halves, "f8"), "thickness": 1, "width": 0}} if any(halves) else {}


def _axis(facts: Facts, place: int) -> dict[str, Any]:
    name, direction = facts.objectives[place]
    values = [row.values[place] for row in facts.ranked]
    wide = bool(values) and min(values) > 0 and max(values) > WIDE * min(values)
    return {
        "title": {"text": f"{text(name)} ({direction})"},
        "type": "log" if wide else "linear",
        "tickformat": ".2~%" if place == 0 and facts.is_share else "~s" if wide else "~g",
    }
