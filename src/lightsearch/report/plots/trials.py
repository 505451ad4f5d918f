"""How trials appear in every plot: the axis of the metric, tooltips, the size of a dot, the mark of the best trial."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lightsearch.display.wording import describe_param
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.report.plots.plot import NotShown, Trace, colour, packed, text

MANY_TRIALS = 500
"""With more trials, dots are smaller and tooltips shorter."""
KEPT = "kept"
"""The ``meta`` of a trace that is shown whatever trials are chosen."""
SPREAD = 4.0
"""The axis of the metric reaches below the median by this many times the distance from the median to the best value;
worse values are drawn at its edge."""

MIN_PREFIXED = 1e4
"""Numbers from here on are shown with a prefix."""


def number_format(facts: Facts) -> str:
    """The format of the metric's numbers on an axis and in a tooltip."""
    return ".2~%" if facts.is_share else "~g"


def prefixed_format(values: Sequence[float]) -> str:
    """Large numbers with a prefix, 1.2M; others as they are: a prefix for small ones, 5m, is read as a unit."""
    return "~s" if max((abs(value) for value in values), default=0.0) >= MIN_PREFIXED else "~g"


def value_axis(facts: Facts, values: Sequence[float]) -> dict[str, Any]:
    """The metric's axis, without a few very bad values that would press all others together."""
    axis: dict[str, Any] = {"title": {"text": text(facts.metric)}, "tickformat": number_format(facts)}
    values = [value for value in values if math.isfinite(value)]
    if len(values) < 3:
        return axis
    sign = 1.0 if facts.maximize else -1.0
    ordered = np.sort(sign * np.array(values))
    best, middle, worst = float(ordered[-1]), float(np.median(ordered)), float(ordered[0])
    shown = max(worst, middle - SPREAD * max(best - middle, 1e-9))
    pad = 0.06 * max(best - shown, 1e-9)
    low, high = shown - pad, best + pad
    return {**axis, "range": [low, high] if facts.maximize else [-high, -low]}


def complete_values(rows: Iterable[Row]) -> list[float]:
    """The values of the complete trials among these."""
    return [row.value for row in rows if row.group == "complete" and row.value is not None]


def describe(row: Row, facts: Facts) -> str:
    """A trial in a tooltip."""
    params = "<br>".join(f"{text(name)} = {text(describe_param(value))}" for name, value in row.trial.params.items())
    value = f"{text(facts.metric)} {facts.show(row.value)}" if row.value is not None else ""
    if facts.multi_objective and row.group == "complete":
        named = zip(facts.objectives, facts.show_all(row), strict=True)
        value = "<br>".join(f"{text(name)} {shown}" for (name, _), shown in named)
    return f"<b>trial {row.number}</b> · {text(row.kind)}<br>{value}<br>{params}"


def tooltips(rows: Iterable[Row], facts: Facts) -> list[str]:
    """The tooltip of each trial; without the parameters if the study has many trials."""
    if len(facts.rows) <= MANY_TRIALS:
        return [describe(row, facts) for row in rows]
    return [_describe_briefly(row, facts) for row in rows]


def _describe_briefly(row: Row, facts: Facts) -> str:
    values = facts.show_all(row) if facts.multi_objective and row.group == "complete" else [facts.show(row.value)]
    return " · ".join([f"trial {row.number}", row.group, *values])


def numbers(rows: Iterable[Row]) -> dict[str, str]:
    """The numbers of the trials of a trace's points, its ``customdata``: a click opens the trial, a filter follows."""
    return packed([row.number for row in rows], "i4")


def dot_size(facts: Facts, size: float = 5.0) -> float:
    """The size of a dot in pixels, smaller by 1.5 if the study has many trials."""
    return size if len(facts.rows) <= MANY_TRIALS else size - 1.5


def best_mark(facts: Facts, row: Row, x: float, y: float | None) -> Trace:
    """The mark of the best trial."""
    return {
        "type": "scatter", "mode": "markers", "name": "best", "x": [x], "y": [y], "text": [describe(row, facts)],
        "hovertemplate": "%{text}<extra></extra>", "customdata": numbers([row]), "meta": KEPT,
        "marker": {"size": 10, "color": colour("best"), "line": {"width": 1.5, "color": colour("surface")}},
    }  # fmt: skip


def require_scored(facts: Facts) -> None:
    """Raises ``NotShown`` if no trial has finished with a value."""
    if not facts.scored:
        raise NotShown("no trial has finished with a value")


def require_complete(facts: Facts, needed: int) -> None:
    """Raises ``NotShown`` if there are fewer complete trials."""
    n = len(facts.ranked)
    if n < needed:
        raise NotShown(f"it takes {needed} complete trials, and there {'is' if n == 1 else 'are'} {n}")
