"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from lightsearch.display.wording import duration
from lightsearch.report.comparison.differences import differences
from lightsearch.report.comparison.plots import PANELS
from lightsearch.report.comparison.verdict import verdict
from lightsearch.report.facts.facts import Facts
from lightsearch.report.page.html import render
from lightsearch.report.page.panels import drawn, figures

SCRIPTS = ("study.js", "plots.js")


def page(studies: Sequence[Facts]) -> str:
    """The page as HTML. It links to ``NAME/report.html`` of each study."""
    panels = drawn(PANELS, studies)
    return render(
        "comparison.html.jinja",
        SCRIPTS,
        {"figures": figures(panels), "table": {}, "trials": [], "best": None, "refresh": 0},
        studies=studies,
        links=[f"{quote(facts.name)}/report.html" for facts in studies],
        verdict=verdict(studies),
        lines=_lines(studies),
        panels=[one for one in panels if one.figures],
        differences=differences(studies),
    )


def _lines(studies: Sequence[Facts]) -> list[tuple[str, list[str]]]:
    """The studies in figures: a name, and the figure of each study."""
    counts = ("complete", "pruned", "not resumed", "failed")
    lines = [
        (f"best {studies[0].metric}", [_best(facts) for facts in studies]),
        ("best trial", [str(facts.best.number) if facts.best else "-" for facts in studies]),
        *((f"{name} trials", [f"{facts.counts[name]:,}" for facts in studies]) for name in counts),
        ("epochs trained", [f"{facts.effort.epochs:,}" for facts in studies]),
        ("time searched", [duration(facts.effort.seconds) for facts in studies]),
        ("uses of the test set", [f"{facts.n_test_evaluations}" for facts in studies]),
    ]
    return [(name, values) for name, values in lines if set(values) != {"0"} or name == "complete trials"]


def _best(facts: Facts) -> str:
    if facts.best is None:
        return "-"
    shown = facts.show(facts.best.value)
    return f"{shown} ± {100 * facts.error:.{facts.decimals}f}" if facts.error is not None else shown
