"""Puts the page together. Its plots are listed in ``plots/panels.py``."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from lightsearch.display.wording import describe_param, duration
from lightsearch.report.facts.declaration import declaration
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.headline import headline
from lightsearch.report.facts.provenance import provenance
from lightsearch.report.page.table import page_table
from lightsearch.report.page.trials import Files, page_trials
from lightsearch.report.plots.panels import PANELS, Panel
from lightsearch.report.plots.plot import NotShown, Plot

SCRIPTS = ("study.js", "plots.js", "filter.js", "trial.js", "table.js", "explorer.js")
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


def page(facts: Facts, epochs: pd.DataFrame, files: Files | None = None) -> str:
    """The page as HTML.

    Args:
        facts: What is known of the study.
        epochs: What ``epoch_table`` returns.
        files: Where the trials' files are; None if they have none.
    """
    panels = _draw(facts, epochs)
    shown = [drawn for drawn in panels if not drawn.missing]
    plots = [figure.plot for drawn in shown for figure in drawn.figures]
    figures = [{"data": plot.data, "layout": plot.layout} for plot in plots]
    script = _script()
    trials = page_trials(facts, epochs, files)
    best = facts.best.number if facts.best else None
    data = {"name": facts.name, "figures": figures, "table": page_table(facts), "trials": trials, "best": best}
    environment = Environment(
        loader=DictLoader({"page": _asset("page.html.jinja")}), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"code": _code, "param": describe_param, "duration": duration}
    return environment.get_template("page").render(
        facts=facts,
        headline=headline(facts),
        css=Markup(_asset("page.css")),
        script=Markup(script),
        plotly=_plotly(),
        policy=_content_security_policy(script),
        rows=[(half, list(row)) for half, row in groupby(shown, key=lambda drawn: drawn.panel.half)],
        missing=[drawn for drawn in panels if drawn.missing],
        declaration=declaration(facts),
        data=_json(data),
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


def _content_security_policy(script: str) -> str:
    """A policy by which no script runs but this one, and nothing is loaded from elsewhere."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Plotly is unpacked by the script, and compiles code of its own for WebGL: hence unsafe-eval.
    evaluated = f"script-src 'unsafe-eval' 'sha256-{digest}'"
    return f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; {evaluated}"


def _json(content: Any) -> Markup:
    """JSON for a script element: without any ``<`` that would end it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text))


def _code(words: str) -> Markup:
    """A hint with the words between backticks as code."""
    parts = words.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def _script() -> str:
    """The page's own scripts as one, which leaves nothing global."""
    parts = "\n".join(_asset(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\nperformance.mark("interactive");  // the plots follow\n}})();\n'


@functools.cache
def _plotly() -> str:
    """Plotly's own script, compressed: base64 of gzip."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def _asset(name: str) -> str:
    return (resources.files("lightsearch.report.page") / name).read_text(encoding="utf-8")
