"""The page: figures and texts put into the template, everything inlined."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from lightsearch.display.wording import duration
from lightsearch.report import front_plots, plots, space_plots
from lightsearch.report.facts import LEADERS, Facts, Row, provenance, show_param
from lightsearch.report.importance import MIN_TRIALS
from lightsearch.report.plots import Figure


class Panel(NamedTuple):
    """One or several plots side by side, or why there is none."""

    figures: list[tuple[str, Figure]]
    """(what a screen reader says of it, the figure)."""
    missing: str = ""


def page(facts: Facts, epochs: pd.DataFrame) -> str:
    """The whole page as HTML.

    Args:
        facts: What is known of the study.
        epochs: ``lightsearch.report.epoch_table.epochs``.
    """
    from plotly.offline import get_plotlyjs

    left_out = "progress" if facts.multi_objective else "front"
    panels = {name: draw(facts, epochs) for name, draw in PANELS.items() if name != left_out}
    figures = [figure for panel in panels.values() for _, figure in panel.figures]
    scripts = [_asset("page.js"), get_plotlyjs()]  # the table works before the plots are there
    environment = Environment(
        loader=DictLoader({"page": _asset("page.html.jinja")}), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"code": _code, "param": show_param, "duration": duration}
    epochs_trained, at_most = facts.epochs
    return environment.get_template("page").render(
        facts=facts,
        headline=facts.headline[0],
        note=facts.headline[1],
        css=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        # Regl, which draws Plotly's WebGL plots, compiles its own code: hence unsafe-eval. No script but these runs.
        policy="default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-eval' "
        + " ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        panels=panels,
        positions=_positions(panels),
        data=_json({"figures": figures, "table": _table(facts)}),
        leaders=facts.front or facts.ranked[:LEADERS],
        params=list(facts.distributions),
        epochs_trained=epochs_trained,
        epochs_at_most=at_most,
        provenance=provenance(facts),
    )


def _progress(facts: Facts, _: pd.DataFrame) -> Panel:
    if not facts.scored:
        return Panel([], "no trial has finished with a value")
    figures = plots.progress(facts)
    return Panel([("The best value so far against the number of finished trials.", figures[0]),
                  ("The best value so far against the time searched.", figures[1])])  # fmt: skip


def _front(facts: Facts, _: pd.DataFrame) -> Panel:
    if not facts.front:
        return Panel([], "no trial is complete")
    return Panel(front_plots.fronts(facts))


def _curves(facts: Facts, epochs: pd.DataFrame) -> Panel:
    if epochs["value"].notna().sum() == 0:
        return Panel([], "no trial has reported an epoch")
    return Panel([(f"{facts.metric} of every trial in every epoch.", plots.curves(facts, epochs))])


def _importances(facts: Facts, _: pd.DataFrame) -> Panel:
    if not facts.importances:
        few = len(facts.ranked) < MIN_TRIALS
        return Panel([], _too_few(facts, MIN_TRIALS) if few else "the complete trials do not differ")
    words = ", ".join(f"{one.name} {one.share:.0%}" for one in facts.importances)
    return Panel([(f"Importance of the parameters: {words}.", space_plots.importance_bars(facts))])


def _slices(facts: Facts, _: pd.DataFrame) -> Panel:
    if not facts.scored:
        return Panel([], "no trial has finished with a value")
    names = space_plots.scales(facts)
    if not names:
        return Panel([], "the space has no parameter that varies")
    said = [f"{facts.metric} over {name}." for name in names]
    return Panel(list(zip(said, space_plots.slices(facts), strict=True)))


def _landscape(facts: Facts, _: pd.DataFrame) -> Panel:
    names = list(space_plots.scales(facts))
    if len(names) < 2:
        return Panel([], "it takes two parameters that vary")
    if len(facts.ranked) < space_plots.MIN_TRIALS_MAP:
        n = len(facts.ranked)
        return Panel(
            [], f"it takes {space_plots.MIN_TRIALS_MAP} complete trials, and there {'is' if n == 1 else 'are'} {n}"
        )
    if any(names[0] not in row.trial.params or names[1] not in row.trial.params for row in facts.ranked):
        return Panel([], "not every trial has both parameters")
    return Panel([(f"{facts.metric} over {names[0]} and {names[1]}, smoothed.", space_plots.landscape(facts))])


def _parallel(facts: Facts, _: pd.DataFrame) -> Panel:
    names = space_plots.scales(facts)
    having = [row for row in facts.ranked if row.trial.params.keys() >= names.keys()]
    if not names:
        return Panel([], "the space has no parameter that varies")
    if len(having) < 2:
        return Panel([], "it takes two complete trials that have all parameters")
    return Panel([("Every complete trial's parameters and value as one line.", space_plots.parallel(facts))])


def _timeline(facts: Facts, _: pd.DataFrame) -> Panel:
    if not any(row.started and (row.ended or row.group == "running") for row in facts.rows):
        return Panel([], "no trial has started")
    return Panel([("Which trial ran when.", plots.timeline(facts))])


PANELS: dict[str, Callable[[Facts, pd.DataFrame], Panel]] = {
    "progress": _progress,
    "front": _front,
    "curves": _curves,
    "importances": _importances,
    "landscape": _landscape,
    "slices": _slices,
    "parallel": _parallel,
    "timeline": _timeline,
}


def _too_few(facts: Facts, needed: int) -> str:
    n = len(facts.ranked)
    return f"it takes {needed} complete trials, and there {'is' if n == 1 else 'are'} {n}"


def _positions(panels: dict[str, Panel]) -> dict[str, list[tuple[int, str, int, bool]]]:
    """For every panel its figures' (place in the page's data, words, height, whether it needs WebGL)."""
    positions: dict[str, list[tuple[int, str, int, bool]]] = {}
    place = 0
    for name, panel in panels.items():
        positions[name] = []
        for words, figure in panel.figures:
            positions[name].append((place, words, int(figure.get("height", 320)), bool(figure.get("webgl"))))
            place += 1
    return positions


def _table(facts: Facts) -> dict[str, Any]:
    """The table of all trials, as the page's script sorts and draws it. Numbers stay numbers."""
    params = list(facts.distributions)
    head = [
        {"name": name, "number": name not in ("ended as", "stopped by", *_texts(facts, params))}
        for name in (
            "trial",
            "ended as",
            *(name for name, _ in facts.objectives),
            "best epoch",
            "epochs",
            "stopped by",
            "seconds",
            *params,
            "seed",
        )
    ]
    rows = []
    for row in facts.rows:
        told = row.outcome
        rows.append([
            row.number, row.kind, _finite(row.value), *_further(facts, row), told and told.best_epoch,
            told.epochs if told else len(row.trial.intermediate_values), told.stop_reason if told else "",
            told and round(told.seconds, 1),
            *(_cell(row.trial.params.get(name)) for name in params), told and told.seed,
        ])  # fmt: skip
    return {
        "head": head,
        "rows": rows,
        "share": facts.is_share,
        "best": [row.number for row in facts.front or facts.ranked[:1]],
    }


def _texts(facts: Facts, params: list[str]) -> list[str]:
    return [
        name for name in params
        if any(isinstance(row.trial.params.get(name), str | bool) for row in facts.rows)
    ]  # fmt: skip


def _further(facts: Facts, row: Row) -> list[float | None]:
    """A trial's objectives after the first."""
    n = len(facts.objectives) - 1
    shown = row.values[1:] if row.group == "complete" else [math.nan] * n
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in shown]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None if value is None else str(value)


def _json(content: Any) -> Markup:
    """JSON that can stand in a script element: no ``<`` that would end it."""
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


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
