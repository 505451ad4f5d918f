"""A study's result as a notebook shows it: counts, the leading trials, the values, the best trial's curve.

``result_card.html.jinja`` is its text. Its colours suit light and dark pages: words have the page's own colour.
"""

from __future__ import annotations

import functools
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from lightsearch.display.leaders_table import leader_rows
from lightsearch.display.wording import duration
from lightsearch.report.readers import first_epoch
from lightsearch.report.svg_chart import Chart, chart, edge_of_front, without_far
from lightsearch.report.tables.epoch_table import epochs_of
from lightsearch.study.origin import is_foreign
from lightsearch.study.pareto import as_list
from lightsearch.study.status import Status, describe_counts

LEADERS = 5
"""Rows of the table at most, if there is one objective."""

ENDED_EARLY = (Status.PRUNED, Status.NOT_RESUMED)
"""Trials with a value that were not trained to their end; the chart of all values draws them alike."""

Point = tuple[float, float]


def result_card(results: dict[str, Any], trials: list[FrozenTrial], folder: Path, ending: str) -> str:
    """The result as HTML. It needs no network and no script.

    Args:
        results: The content of ``results.json``.
        trials: All trials of the study.
        folder: The study's folder.
        ending: How the search ended, in a word.
    """
    metrics = as_list(results["metric"])
    columns, rows = leader_rows(results.get("front", results["leaders"][:LEADERS]), metrics)
    own = [trial for trial in trials if not is_foreign(trial)]
    charts = [
        _objectives(own, results, metrics) if len(metrics) > 1 else _history(own, results),
        _best_curve(trials, results, metrics[0], folder),
    ]
    html: str = _template().render(
        name=results["study"],
        ending=ending,
        summary=describe_counts(results["counts"]["status"]) or "no trials",
        searched=duration(results["wall_seconds"]) if results["wall_seconds"] else "",
        best=results["best"],
        ended_early=" or ".join(str(one) for one in ENDED_EARLY if one in results["counts"]["status"]),
        metric=metrics[0],
        columns=columns,
        rows=rows,
        front=len(results["front"]) if "front" in results else None,
        charts=[one for one in charts if one is not None],
    )
    return html


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = files("lightsearch.report").joinpath("result_card.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)


def _history(trials: list[FrozenTrial], results: dict[str, Any]) -> Chart | None:
    """The value of each trial, and the best so far."""
    maximize = results["direction"] == "maximize"
    points: dict[str, list[Point]] = {"pruned": [], "complete": []}
    best: list[Point] = []
    for trial in trials:
        if trial.state.name.lower() not in points or trial.value is None or not math.isfinite(trial.value):
            continue
        points[trial.state.name.lower()].append((trial.number, trial.value))
        if trial.state.name != "COMPLETE":
            continue
        if not best or ((trial.value > best[-1][1]) is maximize and trial.value != best[-1][1]):
            best += [(trial.number, best[-1][1])] if best else []
            best.append((trial.number, trial.value))
    values = [value for group in points.values() for _, value in group]
    if len(values) < 2:
        return None
    last = max(number for group in points.values() for number, _ in group)
    best += [(last, best[-1][1])] if best else []
    title = f"{results['metric']} of each trial"
    return chart(title, points, best, x_title="trial", y_range=without_far(values, maximize=maximize))


def _objectives(trials: list[FrozenTrial], results: dict[str, Any], metrics: list[str]) -> Chart | None:
    """The first two objectives of each complete trial; those of the Pareto front stand out."""
    front = {entry["number"] for entry in results["front"]}
    points: dict[str, list[Point]] = {"complete": [], "front": []}
    for trial in trials:
        if trial.state.name == "COMPLETE" and all(map(math.isfinite, trial.values)):
            points["front" if trial.number in front else "complete"].append((trial.values[0], trial.values[1]))
    if sum(map(len, points.values())) < 2:
        return None
    x_title, y_title = (f"{m}, {d}" for m, d in zip(metrics[:2], as_list(results["direction"]), strict=False))
    steps = (
        edge_of_front(points["front"], rightwards=results["direction"][0] == "maximize") if len(metrics) == 2 else []
    )
    return chart(y_title, points, steps, x_title=x_title, may_be_log=True)


def _best_curve(trials: list[FrozenTrial], results: dict[str, Any], metric: str, folder: Path) -> Chart | None:
    """The metric of the best trial, epoch by epoch; of a function, what it reported, step by step."""
    best = results["best"]
    if best is None:
        return None
    found = epochs_of(trials[best["number"]], folder, metric)
    first = first_epoch(results["declaration"])
    finite = {epoch: row["value"] for epoch, row in found.items() if math.isfinite(row.get("value", math.nan))}
    curve = [(float(epoch + first), value) for epoch, value in finite.items()]
    if len(curve) < 2:
        return None
    marked = [(float(epoch + first), value) for epoch, value in finite.items() if epoch == best["best_epoch"]]
    title = f"{metric} of trial {best['number']}, the best" + (" in it" if "front" in results else "")
    return chart(title, {"best": marked}, curve, x_title="epoch" if first else "step")
