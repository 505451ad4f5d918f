"""Puts the page together. Its plots are listed in ``plots/panels.py``."""

from __future__ import annotations

from itertools import groupby

import pandas as pd

from lightsearch.report.facts.declaration import declaration
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.headline import headline
from lightsearch.report.facts.provenance import provenance
from lightsearch.report.page.html import render
from lightsearch.report.page.panels import drawn, figures
from lightsearch.report.page.table import page_table
from lightsearch.report.page.trials import Files, page_trials
from lightsearch.report.plots.panels import PANELS

SCRIPTS = ("study.js", "plots.js", "filter.js", "trial.js", "table.js", "explorer.js", "live.js")
"""In their order: a later one uses what an earlier one defines."""


def page(facts: Facts, epochs: pd.DataFrame, files: Files | None = None, *, refresh: int = 0) -> str:
    """The page as HTML.

    Args:
        facts: What is known of the study.
        epochs: What ``epoch_table`` returns.
        files: Where the trials' files are; None if they have none.
        refresh: Seconds after which a page that is served is loaded again; 0: never.
    """
    panels = drawn([panel for panel in PANELS if panel.suits(facts)], facts, epochs)
    shown = [one for one in panels if not one.missing]
    trials = page_trials(facts, epochs, files)
    best = facts.best.number if facts.best and not facts.multi_objective else None
    data = {
        "figures": figures(panels),
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
        rows=[(half, list(row)) for half, row in groupby(shown, key=lambda one: one.panel.half)],
        missing=[one for one in panels if one.missing],
        declaration=declaration(facts),
        params=list(facts.distributions),
        provenance=provenance(facts),
    )
