"""The metric over the two most important parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import NotShown, Plot, Trace, colour, packed
from lightsearch.report.plots.scale import Scale, scales
from lightsearch.report.plots.trials import (
    MANY_TRIALS,
    best_mark,
    complete_values,
    number_format,
    require_complete,
    tooltips,
    value_axis,
)

GRID = 48
"""Points along each side of the map."""
BANDWIDTH = 0.09
"""Standard deviation of the smoothing kernel, in parts of a range."""
REACH = 0.16
"""The map is blank further than this from all trials, in parts of a range."""
MIN_TRIALS = 8


def landscape(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot: the smoothed metric as a map, with a dot per trial."""
    first, second = _axes(facts)
    rows = [row for row in facts.scored if {first.name, second.name} <= row.trial.params.keys()]
    many = len(facts.rows) > MANY_TRIALS
    dots = {
        "type": "scatter", "mode": "markers", "name": "trials",
        "x": packed(_positions(first, rows)), "y": packed(_positions(second, rows)),
        "text": tooltips(rows, facts), "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 2.5 if many else 4, "opacity": 0.3 if many else 0.55, "color": colour("dot")},
    }  # fmt: skip
    traces = [_map(facts, first, second, rows), dots]
    best = facts.best
    if best and {first.name, second.name} <= best.trial.params.keys():
        x, y = (scale.position(best.trial.params[scale.name]) for scale in (first, second))
        traces.append(best_mark(facts, best, x, y))
    layout = {"xaxis": {**first.axis(), "showgrid": False}, "yaxis": {**second.axis(), "showgrid": False}}
    names = list(scales(facts))
    return [Plot(f"{facts.metric} over {names[0]} and {names[1]}, smoothed.", traces, layout, height=400)]


def _axes(facts: Facts) -> tuple[Scale, Scale]:
    """The two most important parameters; of a number and a choice, the number is on the x axis."""
    known = scales(facts)
    if len(known) < 2:
        raise NotShown("it takes two parameters that vary")
    require_complete(facts, MIN_TRIALS)
    first, second = list(known.values())[:2]
    if any(first.name not in row.trial.params or second.name not in row.trial.params for row in facts.ranked):
        raise NotShown("not every trial has both parameters")
    return (second, first) if first.categorical and not second.categorical else (first, second)


def _positions(scale: Scale, rows: list[Row]) -> list[float]:
    return [scale.position(row.trial.params[scale.name]) for row in rows]


def _map(facts: Facts, first: Scale, second: Scale, rows: list[Row]) -> Trace:
    """The smoothed metric: contours over two numbers, cells over a choice."""
    complete = [row for row in rows if row.group == "complete"]
    points = np.array([_positions(scale, complete) for scale in (first, second)]).T
    values = np.array([row.value for row in complete], dtype=float)
    if (shown := value_axis(facts, complete_values(rows)).get("range")) is not None:
        values = values.clip(*shown)
    xs, ys, surface = _smooth(first, second, points, values)
    ramp = [[0, colour("map-low")], [0.5, colour("map-middle")], [1, colour("map-high")]]
    trace = {
        "x": [round(float(x), 5) for x in xs], "y": [round(float(y), 5) for y in ys],
        "z": [[None if math.isnan(v) else round(float(v), 6) for v in line] for line in surface],
        "colorscale": ramp, "reversescale": not facts.maximize, "hoverinfo": "skip",
        "colorbar": {"thickness": 10, "len": 0.9, "outlinewidth": 0, "tickformat": number_format(facts),
                     "tickfont": {"color": colour("muted"), "size": 11}},
    }  # fmt: skip
    if first.categorical or second.categorical:
        return {**trace, "type": "heatmap", "zsmooth": False, "ygap": 2, "hoverongaps": False}
    contours = {"coloring": "fill", "showlines": False}
    return {**trace, "type": "contour", "ncontours": 12, "contours": contours, "connectgaps": False,
            "line": {"width": 0}}  # fmt: skip


def _smooth(
    first: Scale, second: Scale, points: NDArray[Any], values: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """A kernel-weighted mean of the values on a grid; NaN further than ``REACH`` from all points.

    Args:
        first, second: The axes.
        points: (n, 2) positions of the trials.
        values: (n,).

    Returns:
        The positions of the grid along both axes, and the surface, (len(ys), len(xs)).
    """
    grids = [
        np.arange(len(s.choices), dtype=float) if s.categorical else np.linspace(*s.ends, GRID) for s in (first, second)
    ]
    squares = []
    for scale, grid, positions in zip((first, second), grids, points.T, strict=True):
        low, high = scale.ends
        difference = np.subtract.outer(grid, positions) / (high - low)
        # A choice has no neighbours.
        squares.append(np.where(np.abs(difference) < 1e-9, 0.0, np.inf) if scale.categorical else difference**2)
    square = squares[1][:, None, :] + squares[0][None, :, :]
    weights = np.exp(-square / (2 * BANDWIDTH**2))
    total = weights.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        surface = (weights @ values) / total
    surface[square.min(axis=2) > REACH**2] = math.nan
    return grids[0], grids[1], surface
