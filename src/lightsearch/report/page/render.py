"""Puts the page together. Its plots are listed in ``plots/panels.py``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import pandas as pd

from lightsearch.report.facts.declaration import declaration
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.headline import headline
from lightsearch.report.facts.provenance import provenance
from lightsearch.report.page.html import render
from lightsearch.report.page.table import page_table
from lightsearch.report.page.trials import Files, page_trials
from lightsearch.report.plots.panels import PANELS, Panel
from lightsearch.report.plots.plot import NotShown, Plot

SCRIPTS = ("study.js", "plots.js", "filter.js", "trial.js", "table.js", "explorer.js", "live.js")
"""In their order: a later one uses what an earlier one defines."""


class Figure(NamedTuple):
    """A plot with its number in the page's data, from 0."""

    number: int
    plot: Plot


@dataclass(frozen=True)
class DrawnPanel:
    """A panel with its plots, or with the reason why it has none."""

    panel: Panel
    figures: list[Figure]
    missing: str = ""


def page(facts: Facts, epochs: pd.DataFrame, files: Files | None = None, *, refresh: int = 0) -> str:
    """The page as HTML.

    Args:
        facts: What is known of the study.
        epochs: What ``epoch_table`` returns.
        files: Where the trials' files are; None if they have none.
        refresh: Seconds after which a page that is served is loaded again; 0: never.
    """
    panels = _draw(facts, epochs)
    shown = [drawn for drawn in panels if not drawn.missing]
    plots = [figure.plot for drawn in shown for figure in drawn.figures]
    figures = [{"data": plot.data, "layout": plot.layout} for plot in plots]
    trials = page_trials(facts, epochs, files)
    best = facts.best.number if facts.best and not facts.multi_objective else None
    data = {
        "figures": figures,
        "table": page_table(facts),
        "trials": trials,
        "best": best,
        "refresh": refresh,
    }
    return render(
        "page.html.jinja",
        SCRIPTS,
        data,
        facts=facts,
        headline=headline(facts),
        rows=[(half, list(row)) for half, row in groupby(shown, key=lambda drawn: drawn.panel.half)],
        missing=[drawn for drawn in panels if drawn.missing],
        declaration=declaration(facts),
        params=list(facts.distributions),
        provenance=provenance(facts),
    )


def _draw(facts: Facts, epochs: pd.DataFrame) -> list[DrawnPanel]:
    """All panels of a study, with their plots numbered in the order of the page."""
    drawn: list[DrawnPanel] = []
    number = 0
    for panel in PANELS:
        if not panel.suits(facts):
            continue
        try:
            plots = panel.draw(facts, epochs)
        except NotShown as reason:
            drawn.append(DrawnPanel(panel, [], str(reason)))
            continue
        drawn.append(DrawnPanel(panel, [Figure(number + i, plot) for i, plot in enumerate(plots)]))
        number += len(plots)
    return drawn
