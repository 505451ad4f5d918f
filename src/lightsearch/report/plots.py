"""The plots over time: the search's progress, learning curves, the workers. Plain Plotly figures.

Colours are names, which the page replaces by those of its theme; every text from outside goes through ``text``.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightsearch.report.facts import LEADERS, Clock, Facts, Row, show_param

Figure = dict[str, Any]
"""``{"data": [...], "layout": {...}}``, as Plotly's JSON."""

COLOUR = "\ue000"
"""Marks a colour's name; a character for private use, which no name has."""
MANY_POINTS = 400_000
"""More are drawn by WebGL; up to here one path of SVG is no slower, sharp in print, and needs no graphics card."""
MANY_TRIALS = 500
"""More are drawn smaller, and say less of themselves."""
SPREAD = 4.0
"""An axis shows values as far below the median as this many times the upper half's spread; the rest is at its edge."""


def colour(name: str) -> str:
    """A colour by its name in the page's palette."""
    return COLOUR + name


def text(value: object) -> str:
    """A text from outside, without what Plotly would take for markup or for a placeholder."""
    words = str(value)
    return html.escape(words if len(words) <= 60 else words[:59] + "…").replace("{", "&#123;").replace("$", "&#36;")


def packed(values: Sequence[float] | NDArray[Any], dtype: str = "f4") -> dict[str, str]:
    """Numbers as Plotly reads them without parsing: base64 of ``f4``, ``f8``, ``i2`` or ``i4``."""
    return {"dtype": dtype, "bdata": base64.b64encode(np.asarray(values, dtype=f"<{dtype}").tobytes()).decode()}


def value_axis(facts: Facts, values: list[float]) -> dict[str, Any]:
    """The metric's axis, over what is worth seeing: a few very bad values would press all others together."""
    axis: dict[str, Any] = {
        "title": {"text": text(facts.metric)},
        "tickformat": ".2~%" if facts.is_share else "~g",
    }
    if len(values) < 3:
        return axis
    sign = 1.0 if facts.maximize else -1.0
    turned = np.sort(sign * np.array(values))
    best, middle, worst = float(turned[-1]), float(np.median(turned)), float(turned[0])
    shown = max(worst, middle - SPREAD * max(best - middle, 1e-9))
    pad = 0.06 * max(best - shown, 1e-9)
    low, high = shown - pad, best + pad
    return {**axis, "range": [low, high] if facts.maximize else [-high, -low]}


def describe(row: Row, facts: Facts) -> str:
    """A trial for a tooltip."""
    params = "<br>".join(f"{text(name)} = {text(show_param(value))}" for name, value in row.trial.params.items())
    value = f"{text(facts.metric)} {facts.show(row.value)}" if row.value is not None else ""
    if facts.multi_objective and row.group == "complete":
        named = zip(facts.objectives, facts.show_all(row), strict=True)
        value = "<br>".join(f"{text(name)} {shown}" for (name, _), shown in named)
    return f"<b>trial {row.number}</b> · {text(row.kind)}<br>{value}<br>{params}"


def tooltips(rows: Sequence[Row], facts: Facts) -> list[str]:
    """Of all trials; of very many the shorter ones, whose parameters are in the table."""
    if len(facts.rows) <= MANY_TRIALS:
        return [describe(row, facts) for row in rows]
    return [
        f"trial {row.number} · {row.group} · "
        + " · ".join(
            facts.show_all(row) if facts.multi_objective and row.group == "complete" else [facts.show(row.value)]
        )
        for row in rows
    ]


def progress(facts: Facts) -> list[Figure]:
    """The best so far: against the number of finished trials, and against time, on the same axis."""
    clock = Clock(facts)
    done = sorted(facts.scored, key=lambda row: (row.ended or facts.made, row.number))
    axis = value_axis(facts, [row.value for row in done if row.value is not None and row.group == "complete"])
    scale, unit = time_unit(clock.spent)
    by_time = [(clock(row.ended) if row.ended else clock.spent) / scale for row in done]
    figures = []
    for xs, title in ((list(range(1, len(done) + 1)), "finished trials"), (by_time, f"time searched, {unit}")):
        traces = [
            _dots(facts, [(x, row) for x, row in zip(xs, done, strict=True) if row.group == group], group, axis)
            for group in ("pruned", "complete")
        ]
        traces.append(
            _best_so_far(
                facts,
                list(zip(xs, done, strict=True)),
                max([*xs, clock.spent / scale]) if title != "finished trials" else len(done),
            )
        )
        figures.append(
            {"data": traces, "layout": {"xaxis": {"title": {"text": title}, "rangemode": "tozero"}, "yaxis": axis}}
        )
    return figures


def curves(facts: Facts, epochs: pd.DataFrame) -> Figure:
    """Learning curves of all trials; pruned ones end in a cross."""
    frame = epochs[["number", "epoch", "value"]].dropna()
    groups = {row.number: row.group for row in facts.rows}
    n_leading = max(3, min(LEADERS, len(facts.ranked) // 10))
    leading = {row.number for row in facts.ranked[:n_leading]}
    best = facts.best.number if facts.best else None
    kinds = frame["number"].map(lambda n: "leading" if n in leading else groups[n]).to_numpy()
    numbers = frame["number"].to_numpy()
    lasts = frame.drop_duplicates("number", keep="last")
    axis = value_axis(facts, lasts["value"].tolist())
    plot = "scattergl" if len(frame) > MANY_POINTS else "scatter"
    styles = {
        "failed": ("failed", "failed-faint", 1), "pruned": ("pruned", "pruned-faint", 1),
        "complete": ("complete", "accent-faint", 1), "leading": (f"leading {n_leading}", "accent", 1.4),
        "running": ("running", "running", 1.4),
    }  # fmt: skip
    traces: list[dict[str, Any]] = []
    for kind, (name, shade, width) in styles.items():
        part = frame[kinds == kind]
        if part.empty:
            continue
        xs, ys, ns = _separated(part)
        traces.append({
            "type": plot, "mode": "lines" if len(part) > len(part["number"].unique()) else "markers", "name": name,
            "x": packed(xs, "i4"), "y": packed(ys), "customdata": packed(ns, "i4"), "connectgaps": False,
            "line": {"color": colour(shade), "width": width}, "marker": {"color": colour(shade), "size": 5},
            "hovertemplate": f"trial %{{customdata}}, epoch %{{x}}: %{{y:{axis['tickformat']}}}<extra></extra>",
        })  # fmt: skip
    stopped = lasts[lasts["number"].map(groups) == "pruned"]
    if not stopped.empty:
        traces.append({
            "type": plot, "mode": "markers", "name": "pruned here", "hoverinfo": "skip",
            "x": packed(stopped["epoch"].to_numpy(), "i4"), "y": packed(stopped["value"].to_numpy()),
            "marker": {"symbol": "x-thin", "size": 5, "color": colour("pruned"),
                       "line": {"width": 1.2, "color": colour("pruned")}},
        })  # fmt: skip
    if best is not None:
        part = frame[numbers == best]
        traces.append({
            "type": plot, "mode": "lines", "name": f"best: trial {best}",
            "x": packed(part["epoch"].to_numpy(), "i4"), "y": packed(part["value"].to_numpy()),
            "line": {"color": colour("best"), "width": 2.5},
            "hovertemplate": f"trial {best}, epoch %{{x}}: %{{y:{axis['tickformat']}}}<extra></extra>",
        })  # fmt: skip
    return {
        "data": traces,
        "layout": {"xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"}, "yaxis": axis, "showlegend": True},
        "height": 400,
    }


def timeline(facts: Facts) -> Figure:
    """What ran when: one bar a trial, in as many rows as ran at a time. Pauses of the search are left out."""
    clock = Clock(facts)
    scale, unit = time_unit(clock.spent)
    spans = sorted(
        (clock(row.started), clock(row.ended or facts.made), row.number, row)
        for row in facts.rows
        if row.started and (row.ended or row.group == "running")
    )
    lanes: list[float] = []
    bars: dict[str, list[tuple[float, float, int, Row]]] = {}
    for began, ended, _, row in spans:
        free = [lane for lane, until in enumerate(lanes) if until <= began + 1e-3]
        lane = free[0] if free else len(lanes)
        if not free:
            lanes.append(0.0)
        lanes[lane] = ended
        bars.setdefault(row.group, []).append((began, ended - began, lane + 1, row))
    gap = 0.5 if len(spans) <= MANY_TRIALS else 0
    traces = [
        {
            "type": "bar", "orientation": "h", "name": group,
            "base": [round(bar[0] / scale, 4) for bar in found], "x": [round(bar[1] / scale, 4) for bar in found],
            "y": [bar[2] for bar in found], "width": 0.72,
            "marker": {"color": colour(group), "line": {"color": colour("surface"), "width": gap}},
            "customdata": [
                [row.number, text(row.kind), f"{row.started:%Y-%m-%d %H:%M:%S} UTC" if row.started else ""]
                for *_, row in found
            ],
            "hovertemplate": "trial %{customdata[0]} · %{customdata[1]}<br>%{customdata[2]}<br>%{x:.3~g} "
            + f"{unit}<extra></extra>",
        }
        for group, found in bars.items()
    ]  # fmt: skip
    marks = [{
        "type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": clock(started) / scale,
        "x1": clock(started) / scale, "line": {"color": colour("muted"), "width": 1, "dash": "dot"},
    } for started, _ in clock.pauses[:50]]  # fmt: skip
    return {
        "data": traces,
        "layout": {
            "barmode": "overlay",
            "showlegend": True,
            "shapes": marks,
            "xaxis": {"title": {"text": f"time searched, {unit}"}, "range": [0, 1.005 * clock.spent / scale or 1]},
            "yaxis": {"title": {"text": "worker"}, "dtick": 1 if len(lanes) <= 12 else 4, "showgrid": False,
                      "range": [len(lanes) + 0.6, 0.4], "autorange": False},
        },
        "height": min(420, 130 + 28 * len(lanes)),
    }  # fmt: skip


def time_unit(seconds: float) -> tuple[float, str]:
    """Seconds a unit, and its name."""
    if seconds < 300:
        return 1.0, "seconds"
    return (60.0, "minutes") if seconds < 10_800 else (3600.0, "hours")


def _dots(facts: Facts, points: list[tuple[float, Row]], group: str, axis: dict[str, Any]) -> dict[str, Any]:
    """One dot a trial; what lies beyond the axis sits at its edge as a triangle."""
    low, high = axis.get("range", (-math.inf, math.inf))
    edge = 0.015 * (high - low) if math.isfinite(low) else 0.0
    inside = [row.value is not None and low <= row.value <= high for _, row in points]
    at = [min(max(row.value or 0.0, low + edge), high - edge) for _, row in points]
    outward = "triangle-down" if facts.maximize else "triangle-up"
    return {
        "type": "scatter", "mode": "markers", "name": group,
        "x": [round(x, 4) for x, _ in points], "y": packed(at, "f8"),
        "text": tooltips([row for _, row in points], facts), "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": 5 if len(facts.rows) <= MANY_TRIALS else 3.5, "color": colour(group), "opacity": 0.7,
            "symbol": "circle" if all(inside) else ["circle" if one else outward for one in inside],
        },
    }  # fmt: skip


def _best_so_far(facts: Facts, points: list[tuple[float, Row]], end: float) -> dict[str, Any]:
    better = max if facts.maximize else min
    xs: list[float] = []
    ys: list[float] = []
    for x, row in points:
        if row.group != "complete" or row.value is None:
            continue
        best = better(ys[-1], row.value) if ys else row.value
        if not ys or best != ys[-1]:
            xs.append(round(x, 4))
            ys.append(best)
    if ys:
        xs.append(end)
        ys.append(ys[-1])
    shape = {"color": colour("best"), "width": 2, "shape": "hv"}
    return {"type": "scatter", "mode": "lines", "name": "best so far", "x": xs, "y": ys, "line": shape,
            "hovertemplate": f"best so far %{{y:{'.2~%' if facts.is_share else '.5~g'}}}<extra></extra>"}  # fmt: skip


def _separated(frame: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Epochs, values and numbers, with a gap (NaN) between two trials, so that one trace draws them all."""
    numbers, xs, ys = (frame[column].to_numpy() for column in ("number", "epoch", "value"))
    breaks = np.flatnonzero(np.diff(numbers)) + 1
    return np.insert(xs, breaks, 0), np.insert(ys.astype(float), breaks, math.nan), np.insert(numbers, breaks, 0)
