"""The plots of a comparison: all studies on the same axes, each in its colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lightsearch.report.comparison.spent import Found, best_so_far
from lightsearch.report.facts.facts import Facts
from lightsearch.report.plots.plot import Panel, Plot, Trace, colour, packed, text
from lightsearch.report.plots.scale import Scale, scales
from lightsearch.report.plots.trials import complete_values, dot_size, number_format, value_axis
from lightsearch.study.epoch_values import curve_of


def best_values(studies: Sequence[Facts]) -> list[Plot]:
    """Two plots of the best value so far: by the epochs that all trials trained, and by time."""
    found = [best_so_far(facts) for facts in studies]
    unit, name = max((facts.clock.unit for facts in studies), key=lambda one: one[0])
    axis = _value_axis(studies)
    kinds: list[tuple[str, str, Callable[[Found], float]]] = [
        ("the epochs trained", "epochs trained by all trials", lambda one: one.epochs),
        ("the time searched", f"time searched, {name}", lambda one: one.seconds / unit),
    ]
    return [
        Plot(
            f"The best value so far of each study against {words}.",
            [_steps(studies, index, [(x(one), one.best) for one in line]) for index, line in enumerate(found) if line],
            _layout(title, axis),
        )
        for words, title, x in kinds
    ]


def best_curves(studies: Sequence[Facts]) -> list[Plot]:
    """One plot: the learning curve of each study's best trial."""
    traces = []
    for index, facts in enumerate(studies):
        if facts.best is None:
            continue
        curve = {epoch: value for epoch, value in curve_of(facts.best.trial).items() if math.isfinite(value)}
        traces.append(
            _line(studies, index, [epoch + facts.first_epoch for epoch in curve], list(curve.values()))
            | {"mode": "lines+markers", "name": f"{text(facts.name)}: trial {facts.best.number}"}
        )
    return [Plot("The learning curve of each study's best trial.", traces, _layout("epoch", _plain_axis(studies)))]


def parameters(studies: Sequence[Facts]) -> list[Plot]:
    """One plot per parameter that several studies have: the metric over it."""
    known = [scales(facts) for facts in studies]
    names = [
        name for name in dict.fromkeys(name for one in known for name in one) if sum(name in one for one in known) > 1
    ]
    axis = _value_axis(studies)
    plots = []
    for name in names:
        having = [(index, one[name]) for index, one in enumerate(known) if name in one]
        scale = _widest([scale for _, scale in having])
        if scale is not None:
            traces = [_dots(studies, index, scale) for index, _ in having]
            layout = {**_layout("", axis), "xaxis": scale.axis()}
            plots.append(Plot(f"{studies[0].metric} over {name}, by study.", traces, layout))
    return plots


PANELS = (
    Panel(
        "progress",
        "The best value so far",
        "Of complete trials. The epochs of all trials count, also of those that were stopped or paused. The time does "
        "not include pauses of the search.",
        best_values,
    ),
    Panel("best", "The best trials", "The learning curve of each study's best trial.", best_curves),
    Panel("slices", "Each parameter by itself", "One dot per complete trial.", parameters),
)


def _widest(of: list[Scale]) -> Scale | None:
    """One scale for all studies; None if the parameter is a number in one and a choice in another."""
    first = of[0]
    if any(scale.categorical != first.categorical for scale in of):
        return None
    if first.categorical:
        choices = list(dict.fromkeys(choice for scale in of for choice in scale.choices))
        return Scale(first.name, True, False, 0, 0, choices)
    low, high = min(scale.low for scale in of), max(scale.high for scale in of)
    return Scale(first.name, False, all(scale.log for scale in of) and low > 0, low, high, [])


def _dots(studies: Sequence[Facts], index: int, scale: Scale) -> Trace:
    facts = studies[index]
    rows = [row for row in facts.ranked if scale.name in row.trial.params]
    return {
        "type": "scatter", "mode": "markers", "name": text(facts.name),
        "x": packed([scale.position(row.trial.params[scale.name]) for row in rows]),
        "y": packed([row.value or 0.0 for row in rows]),
        "text": [f"{text(facts.name)}, trial {row.number}: {facts.show(row.value)}" for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": dot_size(facts), "opacity": 0.7, "color": colour(f"series-{index}")},
    }  # fmt: skip


def _steps(studies: Sequence[Facts], index: int, points: list[tuple[float, float]]) -> Trace:
    line = _line(studies, index, [round(x, 4) for x, _ in points], [y for _, y in points])
    return {**line, "line": {**line["line"], "shape": "hv"}}


def _line(studies: Sequence[Facts], index: int, x: list[float], y: list[float]) -> Trace:
    name = text(studies[index].name)
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "marker": {"size": 4},
        "line": {"color": colour(f"series-{index}"), "width": 2},
        "hovertemplate": f"{name}, %{{x:.5~g}}: %{{y:{number_format(studies[0])}}}<extra></extra>",
    }  # fmt: skip


def _layout(title: str, axis: dict[str, Any]) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": title}, "rangemode": "tozero"}, "yaxis": axis, "showlegend": True}


def _value_axis(studies: Sequence[Facts]) -> dict[str, Any]:
    return value_axis(studies[0], [value for facts in studies for value in complete_values(facts.rows)])


def _plain_axis(studies: Sequence[Facts]) -> dict[str, Any]:
    return {key: value for key, value in _value_axis(studies).items() if key != "range"}
