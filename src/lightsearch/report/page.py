"""The page: one HTML file with everything in it, which opens without a network.

``page.html.jinja`` is its text, ``page.css`` its looks, ``page.js`` draws the plots and the table. The plots are listed
in ``plots/panels.py``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from lightsearch.display.wording import describe_param, duration
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.headline import headline
from lightsearch.report.facts.provenance import provenance
from lightsearch.report.page_table import page_table
from lightsearch.report.plots.panels import PANELS, Panel
from lightsearch.report.plots.plot import NotShown, Plot

MAX_DECIDED = 500
"""The number of trials whose decisions the page lists."""


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


def page(facts: Facts, epochs: pd.DataFrame) -> str:
    """The page as HTML.

    Args:
        facts: What is known of the study.
        epochs: What ``epoch_table`` returns.
    """
    from plotly.offline import get_plotlyjs

    panels = _draw(facts, epochs)
    plots = [figure.plot for drawn in panels for figure in drawn.figures]
    figures = [{"data": plot.data, "layout": plot.layout} for plot in plots]
    scripts = [_asset("page.js"), get_plotlyjs()]  # the table works before the plots are there
    environment = Environment(
        loader=DictLoader({"page": _asset("page.html.jinja")}), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"code": _code, "param": describe_param, "duration": duration}
    return environment.get_template("page").render(
        facts=facts,
        headline=headline(facts),
        css=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_content_security_policy(scripts),
        rows=[(half, list(row)) for half, row in groupby(panels, key=lambda drawn: drawn.panel.half)],
        data=_json({"figures": figures, "table": page_table(facts)}),
        params=list(facts.distributions),
        max_decided=MAX_DECIDED,
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


def _content_security_policy(scripts: list[str]) -> str:
    """A policy by which no script runs but these, and nothing is loaded from elsewhere."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    # Plotly's WebGL plots are drawn by regl, which compiles its own code: hence unsafe-eval.
    return "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-eval' " + " ".join(
        f"'sha256-{digest}'" for digest in digests
    )


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


def _asset(name: str) -> str:
    return (files("lightsearch.report") / PurePosixPath(name)).read_text(encoding="utf-8")
