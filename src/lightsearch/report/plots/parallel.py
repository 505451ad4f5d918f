"""Parallel coordinates of all parameters and objectives."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import NotShown, Plot, colour, packed, shorten, text
from lightsearch.report.plots.scale import scales
from lightsearch.report.plots.trials import number_format, numbers, prefixed_format, value_axis

MAX_LINES = 300
"""The number of lines, about."""
MAX_LETTERS = 18
"""Longer names are cut."""


def parallel(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot: a line per complete trial through all its parameters to its values. Dragging along an axis selects."""
    known = scales(facts)
    if not known:
        raise NotShown("the space has no parameter that varies")
    having = [row for row in facts.ranked if row.trial.params.keys() >= known.keys()]
    if len(having) < 2:
        raise NotShown("it takes two complete trials that have all parameters")
    rows = _sample(having)
    parameters: list[dict[str, Any]] = []
    for scale in known.values():
        positions, words = scale.ticks
        values = packed([scale.position(row.trial.params[scale.name]) for row in rows])
        parameters.append(
            {"label": _label(scale.name), "range": list(scale.ends), "tickvals": positions, "ticktext": words}
            | {"values": values}
        )
    trace = {
        "type": "parcoords", "dimensions": [*parameters, *_objectives(facts, rows)], "customdata": numbers(rows),
        "line": {"color": list(range(len(rows))), "colorscale": [[0, colour("early")], [1, colour("accent")]]},
        "labelfont": {"color": colour("ink"), "size": 12}, "tickfont": {"color": colour("muted"), "size": 10},
        "rangefont": {"color": colour("surface"), "size": 1},
        "unselected": {"line": {"color": colour("pruned"), "opacity": 0.08}},
    }  # fmt: skip
    layout = {"margin": {"l": 70, "r": 60, "t": 48, "b": 24}}
    return [Plot("Every complete trial's parameters and value as one line.", [trace], layout, height=380, webgl=True)]


def _sample(ranked: list[Row]) -> list[Row]:
    """The best trials and an even sample of the others, the best last, so that they are drawn on top."""
    best, others = ranked[: MAX_LINES // 2], ranked[MAX_LINES // 2 :]
    return [*best, *others[:: max(1, len(others) * 2 // MAX_LINES)]][::-1]


def _objectives(facts: Facts, rows: list[Row]) -> list[dict[str, Any]]:
    values = [row.value or 0.0 for row in rows]
    low, high = value_axis(facts, values).get("range", [min(values), max(values)])
    shown = packed([min(max(value, low), high) for value in values])
    first = {"label": _label(facts.metric), "values": shown, "range": [low, high], "tickformat": number_format(facts)}
    further = [
        {
            "label": _label(name),
            "values": packed([row.values[index] for row in rows]),
            "tickformat": prefixed_format([row.values[index] for row in rows]),
        }
        for index, (name, _) in enumerate(facts.objectives)
        if index > 0
    ]
    return [first, *further]


def _label(name: str) -> str:
    return text(shorten(name, MAX_LETTERS))
