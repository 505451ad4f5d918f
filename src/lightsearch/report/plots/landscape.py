"""The metric over the two most important parameters."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import NotShown, Plot, Trace, colour, packed, shorten
from lightsearch.report.plots.scale import Scale, scales
from lightsearch.report.plots.trials import (
    MANY_TRIALS,
    best_mark,
    complete_values,
    number_format,
    numbers,
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
MIN_TRIALS = 20
"""The complete trials from which a map is drawn."""
MAX_PARAMETERS = 5
"""The most important parameters, of which each pair has a map."""


def landscape(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot for each pair of the most important parameters: the smoothed metric, with a dot per trial."""
    require_complete(facts, MIN_TRIALS)
    known = [scale for scale in scales(facts).values() if all(scale.name in row.trial.params for row in facts.ranked)]
    if len(known) < 2:
        raise NotShown("it takes two parameters that vary in every trial")
    return [_pair(facts, first, second) for first, second in combinations(known[:MAX_PARAMETERS], 2)]


def _pair(facts: Facts, first: Scale, second: Scale) -> Plot:
    """The plot of two parameters; of a number and a choice, the number is on the x axis."""
    if first.categorical and not second.categorical:
        first, second = second, first
    rows = [row for row in facts.scored if {first.name, second.name} <= row.trial.params.keys()]
    many = len(facts.rows) > MANY_TRIALS
    dots = {
        "type": "scatter", "mode": "markers", "name": "trials",
        "x": packed(_positions(first, rows)), "y": packed(_positions(second, rows)),
        "text": tooltips(rows, facts), "hovertemplate": "%{text}<extra></extra>", "customdata": numbers(rows),
        "marker": {"size": 2.5 if many else 4, "opacity": 0.3 if many else 0.55, "color": colour("dot")},
    }  # fmt: skip
    traces = [_map(facts, first, second, rows), dots]
    best = facts.best
    if best and {first.name, second.name} <= best.trial.params.keys():
        x, y = (scale.position(best.trial.params[scale.name]) for scale in (first, second))
        traces.append(best_mark(facts, best, x, y))
    layout = {"xaxis": {**first.axis(), "showgrid": False}, "yaxis": {**second.axis(), "showgrid": False}}
    words = f"{facts.metric} over {first.name} and {second.name}, smoothed."
    return Plot(words, traces, layout, height=400, title=f"{shorten(first.name, 30)}, {shorten(second.name, 30)}")


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
