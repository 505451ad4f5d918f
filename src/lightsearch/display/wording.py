"""Trials, parameters and durations in words, as every command shows them."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.markup import escape
from rich.table import Table

from lightsearch.outcome import Outcome
from lightsearch.paths import trial_folder
from lightsearch.study.leaders import pareto_front
from lightsearch.study.pareto import as_list


def describe_outcome(outcome: Outcome, further: Sequence[str] = ()) -> str:
    """A finished trial in a line, with its further objectives."""
    line = f"trial {outcome.number} {outcome.kind}"
    if outcome.error is not None:
        line += f": {outcome.error.type}: {outcome.error.message}"
    elif outcome.value is not None:
        epochs = f"best epoch {outcome.best_epoch}, {outcome.epochs} trained, "
        if outcome.best_epoch is None:
            epochs = f"{outcome.epochs} steps, " if outcome.epochs else ""
        line += f" {outcome.value:.5g}"
        line += "".join(f", {name} {outcome.metrics[name]:.5g}" for name in further if name in outcome.metrics)
        line += f" ({epochs}{outcome.seconds:.1f} s)"
    return f"{line} {describe_params(outcome.params)}"


def describe_params(params: dict[str, Any]) -> str:
    """Parameters in a line: ``hidden_size=128 learning_rate=0.00123``."""
    return " ".join(f"{name}={describe_param(value)}" for name, value in params.items())


def describe_param(value: Any) -> str:
    """A parameter's value for people: four figures."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def latest(trial: FrozenTrial, folder: Path, metric: str) -> tuple[str, str]:
    """A running trial's last epoch and metric, as text.

    Args:
        trial: The trial.
        folder: The study's; of several objectives nothing is reported, and only the trial's own folder knows.
        metric: The study's first metric.
    """
    step = trial.last_step
    if step is not None:
        return str(step), f"{trial.intermediate_values[step]:.5g}"
    row = last_epoch(trial_folder(folder, trial.number))
    return (row["epoch"], f"{float(row[metric]):.5g}") if row.get("epoch") and row.get(metric) else ("-", "-")


def last_epoch(folder: Path) -> dict[str, str]:
    """The last row of a trial's or a run's ``epochs.csv``; empty if there is none yet, or it is being written."""
    with contextlib.suppress(OSError, csv.Error), (folder / "epochs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        return {name: value or "" for name, value in rows[-1].items()} if rows else {}
    return {}


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def leaders_table(entries: list[dict[str, Any]], metric: str | Sequence[str]) -> Table:
    """The leading trials of ``results.json``, or the front of several objectives."""
    metrics = as_list(metric)
    params = list(dict.fromkeys(name for entry in entries for name in entry["params"]))
    epochs = [] if all(entry["best_epoch"] is None for entry in entries) else ["best epoch", "epochs"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("trial", *metrics, *epochs, *params):
        table.add_column(column, justify="right")
    for entry in entries:
        table.add_row(
            str(entry["number"]),
            f"{entry['value']:.5g}",
            *(f"{entry['metrics'][name]:.5g}" for name in metrics[1:]),
            *(str(entry[column.replace(" ", "_")]) for column in epochs),
            *(escape(describe_param(entry["params"][name])) if name in entry["params"] else "-" for name in params),
        )
    return table


def front_text(trials: list[FrozenTrial], direction: str | Sequence[str]) -> str:
    """How many trials are on the front, in words; nothing where there is one objective."""
    directions = as_list(direction)
    return f", front of {len(pareto_front(trials, directions))}" if len(directions) > 1 else ""


def n_finished(trials: list[FrozenTrial]) -> int:
    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
