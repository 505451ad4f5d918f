"""The objectives against each other, with the Pareto front marked."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import NotShown, Plot, Trace, colour, packed, text
from lightsearch.report.plots.trials import KEPT, dot_size, numbers, prefixed_format, tooltips
from lightsearch.study.pareto import spreads_of

MIN_LOG_RATIO = 20.0
"""An axis whose values differ by a larger factor is logarithmic."""


def pareto_front(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot per pair of objectives, the earlier one on the y axis."""
    if not facts.pareto_front:
        raise NotShown("no trial is complete")
    return [_pair(facts, x, y) for y, x in combinations(range(len(facts.objectives)), 2)]


def _pair(facts: Facts, x: int, y: int) -> Plot:
    """A plot of two objectives, by their indices."""
    on_front = {row.number for row in facts.pareto_front}
    others = [row for row in facts.ranked if row.number not in on_front]
    front = sorted(facts.pareto_front, key=lambda row: (row.values[x], row.values[y]))
    front_trace = _dots(facts, front, x, y, on_front=True)
    measured = any(any(spreads_of(row.trial, len(row.values))) for row in front)
    if len(facts.objectives) == 2 and not measured:  # a projection, or a front with equal trials, is no line
        falls_at_the_next = facts.objectives[x][1] == "maximize"
        front_trace |= {
            "mode": "lines+markers",
            "line": {"color": colour("best"), "width": 1.5, "shape": "vh" if falls_at_the_next else "hv"},
        }
    return Plot(
        f"{facts.objectives[y][0]} over {facts.objectives[x][0]}, the Pareto front marked.",
        [_dots(facts, others, x, y), front_trace],
        {"xaxis": _axis(facts, x), "yaxis": _axis(facts, y), "showlegend": True},
        height=400,
    )


def _dots(facts: Facts, rows: list[Row], x: int, y: int, *, on_front: bool = False) -> Trace:
    size = dot_size(facts)
    return {
        "type": "scatter", "mode": "markers", "name": "Pareto front" if on_front else "other trials",
        "x": packed([row.values[x] for row in rows], "f8"),
        "y": packed([row.values[y] for row in rows], "f8"),
        "text": tooltips(rows, facts), "hovertemplate": "%{text}<extra></extra>", "customdata": numbers(rows),
        **({"meta": KEPT} if on_front else {}),
        "marker": {"size": size + 3 if on_front else size, "color": colour("best" if on_front else "complete"),
                   "opacity": 1.0 if on_front else 0.6},
        **_error_bars("error_x", rows, x), **_error_bars("error_y", rows, y),
    }  # fmt: skip


def _error_bars(name: str, rows: list[Row], index: int) -> dict[str, Any]:
    """The spread of a measured objective, half of it to each side."""
    halves = [spreads_of(row.trial, len(row.values))[index] / 2 for row in rows]
    return {name: {"type": "data", "array": packed(halves, "f8"), "thickness": 1, "width": 0}} if any(halves) else {}


def _axis(facts: Facts, index: int) -> dict[str, Any]:
    name, direction = facts.objectives[index]
    values = [row.values[index] for row in facts.ranked]
    log = bool(values) and min(values) > 0 and max(values) > MIN_LOG_RATIO * min(values)
    return {
        "title": {"text": f"{text(name)} ({direction})"},
        "type": "log" if log else "linear",
        "tickformat": ".2~%" if index == 0 and facts.is_share else prefixed_format(values),
        **({"dtick": 1 if max(values) > 100 * min(values) else "D2"} if log else {}),
    }
