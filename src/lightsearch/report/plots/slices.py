"""The metric over each parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lightsearch.report.facts.facts import Facts
from lightsearch.report.plots.plot import NotShown, Plot, Trace, colour, packed
from lightsearch.report.plots.scale import Scale, scales
from lightsearch.report.plots.trials import (
    best_mark,
    complete_values,
    dot_size,
    numbers,
    require_scored,
    tooltips,
    value_axis,
)

JITTER = 0.22
"""Dots are moved by up to this part of a choice's width, so that they do not hide each other."""


def slices(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot per parameter, with the same axis of the metric; later trials have a stronger colour."""
    require_scored(facts)
    known = scales(facts)
    if not known:
        raise NotShown("the space has no parameter that varies")
    axis = value_axis(facts, complete_values(facts.scored))
    random = np.random.default_rng(0)
    return [
        Plot(
            f"{facts.metric} over {scale.name}.",
            _traces(facts, scale, random),
            {"xaxis": scale.axis(), "yaxis": axis},
        )
        for scale in known.values()
    ]


def _traces(facts: Facts, scale: Scale, random: np.random.Generator) -> list[Trace]:
    rows = [row for row in facts.scored if scale.name in row.trial.params]
    jitter = random.uniform(-JITTER, JITTER, len(rows)) if scale.categorical else np.zeros(len(rows))
    positions = np.array([scale.position(row.trial.params[scale.name]) for row in rows]) + jitter
    traces: list[Trace] = []
    for group, size in (("pruned", 3.5), ("not resumed", 3.5), ("complete", 5.0)):
        chosen = [i for i, row in enumerate(rows) if row.group == group]
        marker: dict[str, Any] = {"size": dot_size(facts, size), "opacity": 0.5, "color": colour("pruned")}
        if group == "complete":
            shades = [[0, colour("early")], [1, colour("accent")]]
            marker |= {"opacity": 0.8, "color": [rows[i].number for i in chosen], "colorscale": shades}
            marker["showscale"] = False
        traces.append({
            "type": "scatter", "mode": "markers", "name": group, "x": packed(positions[chosen]),
            "y": packed([rows[i].value or 0.0 for i in chosen]),
            "text": tooltips([rows[i] for i in chosen], facts), "hovertemplate": "%{text}<extra></extra>",
            "customdata": numbers([rows[i] for i in chosen]), "marker": marker,
        })  # fmt: skip
    if facts.best and scale.name in facts.best.trial.params:
        position = scale.position(facts.best.trial.params[scale.name])
        traces.append(best_mark(facts, facts.best, position, facts.best.value))
    return traces
