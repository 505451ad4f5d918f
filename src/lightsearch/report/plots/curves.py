"""The learning curves of all trials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightsearch.report.facts.facts import MAX_LEADERS, Facts
from lightsearch.report.plots.plot import NotShown, Plot, Trace, colour, packed
from lightsearch.report.plots.trials import KEPT, number_format, numbers, value_axis

MANY_POINTS = 400_000
"""More points are drawn by WebGL. With fewer, SVG is as fast, sharp in print, and needs no graphics card."""
MIN_LEADING = 3
"""The number of leading trials, at least."""
LEADING_SHARE = 10
"""The leading trials are the best of this many complete ones, up to ``MAX_LEADERS``."""


def curves(facts: Facts, epochs: pd.DataFrame) -> list[Plot]:
    """One plot: a curve per trial. That of a pruned trial ends in a cross, that of one not resumed in a circle."""
    frame = epochs.loc[np.isfinite(epochs["value"]), ["number", "epoch", "value"]].copy()
    if frame.empty:
        raise NotShown("no trial has reported an epoch")
    frame["epoch"] += facts.first_epoch
    lasts = frame.drop_duplicates("number", keep="last")
    highest = frame.groupby("number")["value"].agg("max" if facts.maximize else "min")  # no axis cuts off the best
    axis = value_axis(facts, [*lasts["value"], *highest])
    traces = [*_by_group(facts, frame), *_ends(facts, lasts), *_best(facts, frame)]
    kind = "scattergl" if len(frame) > MANY_POINTS else "scatter"
    return [
        Plot(
            f"{facts.metric} of every trial in every epoch.",
            [{"type": kind, **trace} for trace in traces],
            {"xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"}, "yaxis": axis, "showlegend": True},
            height=400,
        )
    ]


def _by_group(facts: Facts, frame: pd.DataFrame) -> list[Trace]:
    """One trace per group of trials, the leading ones apart."""
    groups = {row.number: row.group for row in facts.rows}
    n_leading = max(MIN_LEADING, min(MAX_LEADERS, len(facts.ranked) // LEADING_SHARE))
    leading = {row.number for row in facts.ranked[:n_leading]}
    group_of = frame["number"].map(lambda number: "leading" if number in leading else groups[number]).to_numpy()
    styles = {
        "failed": ("failed", "failed-faint", 1), "pruned": ("pruned", "pruned-faint", 1),
        "complete": ("complete", "accent-faint", 1), "leading": (f"leading {n_leading}", "accent", 1.4),
        "not resumed": ("not resumed", "pruned-faint", 1), "paused": ("paused", "paused", 1),
        "running": ("running", "running", 1.4),
    }  # fmt: skip
    traces: list[Trace] = []
    for group, (name, shade, width) in styles.items():
        part = frame[group_of == group]
        if part.empty:
            continue
        xs, ys, numbers = _with_gaps(part)
        traces.append({
            "mode": "lines" if len(part) > len(part["number"].unique()) else "markers", "name": name,
            "x": packed(xs, "i4"), "y": packed(ys), "customdata": packed(numbers, "i4"), "connectgaps": False,
            "line": {"color": colour(shade), "width": width}, "marker": {"color": colour(shade), "size": 5},
            "hovertemplate": f"trial %{{customdata}}, epoch %{{x}}: %{{y:{number_format(facts)}}}<extra></extra>",
        })  # fmt: skip
    return traces


def _ends(facts: Facts, lasts: pd.DataFrame) -> list[Trace]:
    """Where the trials end that were not trained to their end."""
    found: list[Trace] = []
    for group, symbol, name in (("pruned", "x-thin", "pruned here"), ("not resumed", "circle-open", "not resumed")):
        numbers = {row.number for row in facts.rows if row.group == group}
        ends = lasts[lasts["number"].isin(numbers)]
        if ends.empty:
            continue
        found.append({
            "mode": "markers", "name": name, "hoverinfo": "skip", "showlegend": group == "pruned",
            "customdata": packed(ends["number"].to_numpy(), "i4"),
            "x": packed(ends["epoch"].to_numpy(), "i4"), "y": packed(ends["value"].to_numpy()),
            "marker": {"symbol": symbol, "size": 5, "color": colour("pruned"),
                       "line": {"width": 1.2, "color": colour("pruned")}},
        })  # fmt: skip
    return found


def _best(facts: Facts, frame: pd.DataFrame) -> list[Trace]:
    if facts.best is None:
        return []
    best = facts.best.number
    part = frame[frame["number"] == best]
    return [{
        "mode": "lines", "name": f"best: trial {best}",
        "x": packed(part["epoch"].to_numpy(), "i4"), "y": packed(part["value"].to_numpy()),
        "line": {"color": colour("best"), "width": 2.5}, "customdata": numbers([facts.best] * len(part)), "meta": KEPT,
        "hovertemplate": f"trial {best}, epoch %{{x}}: %{{y:{number_format(facts)}}}<extra></extra>",
    }]  # fmt: skip


def _with_gaps(frame: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Epochs, values and numbers with a gap (NaN) between two trials, so that one trace draws them all."""
    numbers, xs, ys = (frame[column].to_numpy() for column in ("number", "epoch", "value"))
    breaks = np.flatnonzero(np.diff(numbers)) + 1
    return np.insert(xs, breaks, 0), np.insert(ys.astype(float), breaks, math.nan), np.insert(numbers, breaks, 0)
