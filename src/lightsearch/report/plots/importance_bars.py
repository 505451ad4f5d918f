"""The importance of the parameters."""

from __future__ import annotations

import pandas as pd

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.importance import MIN_TRIALS
from lightsearch.report.plots.plot import NotShown, Plot, colour, shorten, text
from lightsearch.report.plots.trials import require_complete

MAX_LETTERS = 22
"""Longer names are cut."""


def importance_bars(facts: Facts, _: pd.DataFrame) -> list[Plot]:
    """One plot: a bar per parameter, and a mark for the largest importance that chance alone would show."""
    if not facts.importances:
        require_complete(facts, MIN_TRIALS)
        raise NotShown("the complete trials do not differ")
    shown = facts.importances[::-1]
    names = [f"{text(shorten(one.name, MAX_LETTERS))}  <b>{one.share:.0%}</b>" for one in shown]
    bars = {
        "type": "bar", "orientation": "h", "y": names, "x": [round(one.share, 4) for one in shown],
        "marker": {"color": [colour("accent" if one.share > one.chance else "pruned") for one in shown]},
        "width": 0.5, "name": "importance", "showlegend": False, "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }  # fmt: skip
    chance = {
        "type": "scatter", "mode": "markers", "y": names, "x": [round(one.chance, 4) for one in shown],
        "marker": {"symbol": "line-ns", "size": 20, "line": {"width": 1.6, "color": colour("ink")}},
        "name": "what chance alone shows", "hovertemplate": "chance: up to %{x:.1%}<extra></extra>",
    }  # fmt: skip
    layout = {
        "showlegend": True,
        "xaxis": {"tickformat": ".0%", "rangemode": "tozero", "title": {"text": "share of the importance"}},
        "yaxis": {"automargin": True, "showgrid": False},
    }
    words = ", ".join(f"{one.name} {one.share:.0%}" for one in facts.importances)
    return [Plot(f"Importance of the parameters: {words}.", [bars, chance], layout, height=120 + 34 * len(shown))]
