"""The plots over the search space: importances, slices, parallel coordinates, a map of the two that matter most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightsearch.report.facts import Facts, Row, show_param
from lightsearch.report.plots import MANY_TRIALS, Figure, colour, describe, packed, text, tooltips, value_axis

GRID = 48
"""Points a side of the map."""
BANDWIDTH = 0.09
"""Width of the map's smoothing, in parts of a range."""
REACH = 0.16
"""How far from every trial the map is left blank, in parts of a range."""
MANY_LINES = 300
"""Lines of the parallel coordinates, about."""
MIN_TRIALS_MAP = 8
LABEL = 14
"""Letters of a choice's name on an axis."""


@dataclass(frozen=True)
class Scale:
    """A parameter as an axis: its values placed in [0, 1], and what stands at the ticks."""

    name: str
    categorical: bool
    log: bool
    low: float
    high: float
    choices: list[str]

    def place(self, value: Any) -> float:
        """Where a value is: choices at 0, 1, 2, ..., numbers on the scale they are sampled on (log10 if it is log)."""
        if self.categorical:
            return float(self.choices.index(str(value)))
        return math.log10(value) if self.log else float(value)

    @property
    def ends(self) -> tuple[float, float]:
        if self.categorical:
            return -0.5, len(self.choices) - 0.5
        low, high = self.place(self.low), self.place(self.high)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Places and words of the ticks, which parallel coordinates show as they are, and an axis as markup."""
        if self.categorical:
            return [float(i) for i in range(len(self.choices))], [_short(choice) for choice in self.choices]
        low, high = self.ends
        if self.log:
            whole = [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
            values = whole if len(whole) >= 3 else [self.low * (self.high / self.low) ** (i / 4) for i in range(5)]
            if len(whole) < 3 and self.low >= 1:
                values = [2.0**power for power in range(math.ceil(math.log2(self.low)), int(math.log2(self.high)) + 1)]
            return [math.log10(value) for value in values], [_number(value) for value in values]
        places = [low + (high - low) * i / 4 for i in range(5)]
        return places, [_number(place) for place in places]

    def axis(self) -> dict[str, Any]:
        """As an axis of a plot, ending at the bounds of the space."""
        low, high = self.ends
        pad = 0 if self.categorical else 0.03 * (high - low)
        places, words = self.ticks
        return {
            "title": {"text": text(self.name)}, "range": [low - pad, high + pad], "tickmode": "array",
            "tickvals": places, "ticktext": [text(word) for word in words], "zeroline": False,
        }  # fmt: skip


def scales(facts: Facts) -> dict[str, Scale]:
    """Every parameter that varies, the most important first."""
    found = {}
    for name, distributions in facts.distributions.items():
        scale = _scale(name, distributions)
        if scale is not None:
            found[name] = scale
    order = {one.name: place for place, one in enumerate(facts.importances)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def importance_bars(facts: Facts) -> Figure:
    """Shares of the importance, and the largest that chance alone would show."""
    shown = facts.importances[::-1]
    names = [f"{text(_short(one.name, 22))}  <b>{one.share:.0%}</b>" for one in shown]
    return {
        "data": [
            {"type": "bar", "orientation": "h", "y": names, "x": [round(one.share, 4) for one in shown],
             "marker": {"color": [colour("accent" if one.share > one.chance else "pruned") for one in shown]},
             "width": 0.5, "name": "importance", "showlegend": False,
             "hovertemplate": "%{y}: %{x:.1%}<extra></extra>"},
            {"type": "scatter", "mode": "markers", "y": names, "x": [round(one.chance, 4) for one in shown],
             "marker": {"symbol": "line-ns", "size": 20, "line": {"width": 1.6, "color": colour("ink")}},
             "name": "what chance alone shows", "hovertemplate": "chance: up to %{x:.1%}<extra></extra>"},
        ],
        "layout": {
            "showlegend": True,
            "xaxis": {"tickformat": ".0%", "rangemode": "tozero", "title": {"text": "share of the importance"}},
            "yaxis": {"automargin": True, "showgrid": False},
        },
        "height": 120 + 34 * len(shown),
    }  # fmt: skip


def slices(facts: Facts) -> list[Figure]:
    """The metric over each parameter; the axes are the same, and later trials are darker."""
    rows = facts.scored
    axis = value_axis(facts, [row.value for row in rows if row.group == "complete" and row.value is not None])
    random = np.random.default_rng(0)
    figures = []
    for scale in scales(facts).values():
        having = [row for row in rows if scale.name in row.trial.params]
        jitter = random.uniform(-0.22, 0.22, len(having)) if scale.categorical else np.zeros(len(having))
        places = np.array([scale.place(row.trial.params[scale.name]) for row in having]) + jitter
        traces: list[dict[str, Any]] = []
        for group, size in (("pruned", 3.5), ("complete", 5.0)):
            chosen = [i for i, row in enumerate(having) if row.group == group]
            shade: Any = [having[i].number for i in chosen]
            traces.append({
                "type": "scatter", "mode": "markers", "name": group, "x": packed(places[chosen]),
                "y": packed([having[i].value or 0.0 for i in chosen]),
                "text": tooltips([having[i] for i in chosen], facts),
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {"size": size if len(facts.rows) <= MANY_TRIALS else size - 1.5, "opacity": 0.8}
                | ({"color": shade, "colorscale": [[0, colour("early")], [1, colour("accent")]], "showscale": False}
                   if group == "complete" else {"color": colour("pruned"), "opacity": 0.5}),
            })  # fmt: skip
        if facts.best and scale.name in facts.best.trial.params:
            traces.append(
                _best(facts, facts.best, [scale.place(facts.best.trial.params[scale.name])], [facts.best.value])
            )
        figures.append({"data": traces, "layout": {"xaxis": scale.axis(), "yaxis": axis}})
    return figures


def parallel(facts: Facts) -> Figure:
    """One line a complete trial through all its parameters to its value; dragging along an axis selects."""
    known = scales(facts)
    having = [row for row in facts.ranked if row.trial.params.keys() >= known.keys()]
    # Of very many, the best and an even sample of the others: more would be one surface.
    rows = having[: MANY_LINES // 2]
    others = having[MANY_LINES // 2 :]
    rows = (rows + others[:: max(1, len(others) * 2 // MANY_LINES)])[::-1]  # the best are drawn last, on top
    dimensions: list[dict[str, Any]] = []
    for scale in known.values():
        places, words = scale.ticks
        dimensions.append({
            "label": text(_short(scale.name, 18)), "range": list(scale.ends), "tickvals": places, "ticktext": words,
            "values": packed([scale.place(row.trial.params[scale.name]) for row in rows]),
        })  # fmt: skip
    values = [row.value or 0.0 for row in rows]
    low, high = value_axis(facts, values).get("range", [min(values), max(values)])
    shown = [min(max(value, low), high) for value in values]
    metric = {"label": text(_short(facts.metric, 18)), "values": packed(shown), "range": [low, high],
              "tickformat": ".2~%" if facts.is_share else "~g"}  # fmt: skip
    further = [
        {"label": text(_short(name, 18)), "values": packed([row.values[place] for row in rows]), "tickformat": "~s"}
        for place, (name, _) in enumerate(facts.objectives) if place
    ]  # fmt: skip
    return {
        "data": [{
            "type": "parcoords", "dimensions": [*dimensions, metric, *further], "line": {
                "color": list(range(len(rows))), "colorscale": [[0, colour("early")], [1, colour("accent")]]},
            "labelfont": {"color": colour("ink"), "size": 12}, "tickfont": {"color": colour("muted"), "size": 10},
            "rangefont": {"color": colour("surface"), "size": 1},
            "unselected": {"line": {"color": colour("pruned"), "opacity": 0.08}},
        }],
        "layout": {"margin": {"l": 70, "r": 60, "t": 48, "b": 24}},
        "height": 380,
        "webgl": True,
    }  # fmt: skip


def landscape(facts: Facts) -> Figure:
    """The metric over the two most important parameters, smoothed; blank where no trial was near."""
    first, second = list(scales(facts).values())[:2]
    if first.categorical and not second.categorical:
        first, second = second, first
    rows = [row for row in facts.scored if {first.name, second.name} <= row.trial.params.keys()]
    axis = value_axis(facts, [row.value for row in rows if row.value is not None and row.group == "complete"])
    low, high = axis.get("range", [None, None])
    complete = [row for row in rows if row.group == "complete"]
    points = np.array([[s.place(row.trial.params[s.name]) for s in (first, second)] for row in complete])
    values = np.array([row.value for row in complete], dtype=float)
    if low is not None:
        values = values.clip(low, high)
    xs, ys, surface = _smooth(first, second, points, values)
    ramp = [[0, colour("map-low")], [0.5, colour("map-middle")], [1, colour("map-high")]]
    common = {
        "x": [round(float(x), 5) for x in xs], "y": [round(float(y), 5) for y in ys],
        "z": [[None if math.isnan(v) else round(float(v), 6) for v in line] for line in surface],
        "colorscale": ramp, "reversescale": not facts.maximize, "hoverinfo": "skip",
        "colorbar": {"thickness": 10, "len": 0.9, "outlinewidth": 0, "tickformat": axis["tickformat"],
                     "tickfont": {"color": colour("muted"), "size": 11}},
    }  # fmt: skip
    either = first.categorical or second.categorical
    shape: dict[str, Any] = (
        {"type": "heatmap", "zsmooth": False, "ygap": 2, "hoverongaps": False}
        if either
        else {"type": "contour", "ncontours": 12, "contours": {"coloring": "fill", "showlines": False},
              "connectgaps": False, "line": {"width": 0}}
    )  # fmt: skip
    many = len(facts.rows) > MANY_TRIALS
    at = [[s.place(row.trial.params[s.name]) for row in rows] for s in (first, second)]
    dots = {
        "type": "scatter", "mode": "markers", "x": packed(at[0]), "y": packed(at[1]), "name": "trials",
        "text": tooltips(rows, facts),
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 2.5 if many else 4, "opacity": 0.3 if many else 0.55, "color": colour("dot")},
    }  # fmt: skip
    traces = [{**common, **shape}, dots]
    if facts.best and {first.name, second.name} <= facts.best.trial.params.keys():
        params = facts.best.trial.params
        at = [[scale.place(params[scale.name])] for scale in (first, second)]
        traces.append(_best(facts, facts.best, *at))
    layout = {"xaxis": {**first.axis(), "showgrid": False}, "yaxis": {**second.axis(), "showgrid": False}}
    return {"data": traces, "layout": layout, "height": 400}


def _best(facts: Facts, row: Row, x: list[float], y: list[Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": "best", "x": x, "y": y, "text": [describe(row, facts)],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 10, "color": colour("best"), "line": {"width": 1.5, "color": colour("surface")}},
    }  # fmt: skip


def _smooth(
    first: Scale, second: Scale, points: NDArray[Any], values: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """A kernel-weighted mean of the values on a grid, NaN beyond the trials' reach.

    Args:
        first, second: The axes.
        points: (n, 2) places of the trials.
        values: (n,).

    Returns:
        The grid's places along both axes, and the surface, (len(ys), len(xs)).
    """
    grids = [
        np.arange(len(s.choices), dtype=float) if s.categorical else np.linspace(*s.ends, GRID) for s in (first, second)
    ]
    squares = []
    for scale, grid, place in zip((first, second), grids, points.T, strict=True):
        low, high = scale.ends
        difference = np.subtract.outer(grid, place) / (high - low)
        # A choice is near to itself alone.
        squares.append(np.where(np.abs(difference) < 1e-9, 0.0, np.inf) if scale.categorical else difference**2)
    square = squares[1][:, None, :] + squares[0][None, :, :]
    weights = np.exp(-square / (2 * BANDWIDTH**2))
    total = weights.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        surface = (weights @ values) / total
    surface[square.min(axis=2) > REACH**2] = math.nan
    return grids[0], grids[1], surface


def _scale(name: str, distributions: list[BaseDistribution]) -> Scale | None:
    """The axis of a parameter; None if it cannot vary. Ranges that changed are shown whole."""
    numeric = [d for d in distributions if isinstance(d, IntDistribution | FloatDistribution)]
    if len(numeric) == len(distributions):
        low, high = min(d.low for d in numeric), max(d.high for d in numeric)
        return Scale(name, False, all(d.log for d in numeric), low, high, []) if high > low else None
    choices: list[Any] = []
    for one in distributions:
        if not isinstance(one, CategoricalDistribution):
            return None
        choices += [choice for choice in one.choices if choice not in choices]
    if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices):
        choices.sort()
    return Scale(name, True, False, 0, 0, [str(choice) for choice in choices]) if len(choices) > 1 else None


def _number(value: float) -> str:
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(power)}"
    return show_param(float(f"{value:.3g}"))


def _short(words: str, letters: int = LABEL) -> str:
    return words if len(words) <= letters else words[: letters - 1] + "…"
