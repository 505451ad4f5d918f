"""The best value so far: against the number of finished trials, and against time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import Plot, Trace, colour, packed
from lightsearch.report.plots.trials import complete_values, dot_size, numbers, require_scored, tooltips, value_axis


def progress(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """Two plots with the same axis of the metric."""
    require_scored(facts)
    clock, (scale, unit) = facts.clock, facts.clock.unit
    finished = sorted(facts.scored, key=lambda row: (row.ended or facts.made, row.number))
    axis = value_axis(facts, complete_values(finished))
    by_number = list(range(1, len(finished) + 1))
    by_time = [(clock(row.ended) if row.ended else clock.seconds) / scale for row in finished]
    end = max([*by_time, clock.seconds / scale])
    return [
        Plot(
            "The best value so far against the number of finished trials.",
            _traces(facts, list(zip(by_number, finished, strict=True)), len(finished), axis),
            _layout("finished trials", axis),
        ),
        Plot(
            "The best value so far against the time searched.",
            _traces(facts, list(zip(by_time, finished, strict=True)), end, axis),
            _layout(f"time searched, {unit}", axis),
        ),
    ]


def _layout(title: str, axis: dict[str, Any]) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": title}, "rangemode": "tozero"}, "yaxis": axis}


def _traces(facts: Facts, points: Sequence[tuple[float, Row]], end: float, axis: dict[str, Any]) -> list[Trace]:
    """A trace of dots per group, and the line of the best value, which reaches up to ``end``."""
    groups = {
        group: [(x, row) for x, row in points if row.group == group] for group in ("pruned", "not resumed", "complete")
    }
    return [*(_dots(facts, found, group, axis) for group, found in groups.items()), _best_so_far(facts, points, end)]


def _dots(facts: Facts, points: Sequence[tuple[float, Row]], group: str, axis: dict[str, Any]) -> Trace:
    """One dot per trial; a value beyond the axis is a triangle at its edge."""
    low, high = axis.get("range", (-math.inf, math.inf))
    edge = 0.015 * (high - low) if math.isfinite(low) else 0.0
    inside = [row.value is not None and low <= row.value <= high for _, row in points]
    shown = [min(max(row.value or 0.0, low + edge), high - edge) for _, row in points]
    outward = "triangle-down" if facts.maximize else "triangle-up"
    return {
        "type": "scatter", "mode": "markers", "name": group,
        "x": [round(x, 4) for x, _ in points], "y": packed(shown, "f8"),
        "text": tooltips([row for _, row in points], facts), "hovertemplate": "%{text}<extra></extra>",
        "customdata": numbers([row for _, row in points]),
        "marker": {
            "size": dot_size(facts), "color": colour(group), "opacity": 0.7,
            "symbol": "circle" if all(inside) else ["circle" if one else outward for one in inside],
        },
    }  # fmt: skip


def _best_so_far(facts: Facts, points: Sequence[tuple[float, Row]], end: float) -> Trace:
    better = max if facts.maximize else min
    xs: list[float] = []
    ys: list[float] = []
    for x, row in points:
        if row.group != "complete" or row.value is None:
            continue
        best = better(ys[-1], row.value) if ys else row.value
        if not ys or best != ys[-1]:
            xs.append(round(x, 4))
            ys.append(best)
    if ys:
        xs.append(end)
        ys.append(ys[-1])
    line = {"color": colour("best"), "width": 2, "shape": "hv"}
    return {"type": "scatter", "mode": "lines", "name": "best so far", "x": xs, "y": ys, "line": line,
            "hovertemplate": f"best so far %{{y:{'.2~%' if facts.is_share else '.5~g'}}}<extra></extra>"}  # fmt: skip
