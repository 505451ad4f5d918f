"""The curve of a trial or a run: its metrics after every epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from optuna.trial import FrozenTrial

from lightsearch.errors import Mistake, UserError
from lightsearch.study.epoch_values import curve_of

Curve = dict[str, list[float]]
"""The values of each metric, one per epoch."""


def read_curve(path: Path) -> Curve:
    """The curve in an ``epochs.csv``, without the times; empty if there is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in (rows[0] if rows else {}) if name not in ("epoch", "seconds")]
        return {name: [float(row[name]) for row in rows if row[name]] for name in names}
    except (OSError, ValueError, KeyError):
        return {}


def recorded_curve(trial: FrozenTrial, folder: Path, metric: str) -> Curve:
    """The curve of a trial: all metrics from its folder, or the study's metric from the storage if they are gone.

    Raises:
        UserError: if neither has a curve.
    """
    curve = read_curve(folder / "epochs.csv")
    if curve:
        return curve
    values = list(curve_of(trial).values())
    if not values:
        raise UserError(Mistake("--reproduce", trial.number, f"has no curve: {folder / 'epochs.csv'} is missing"))
    return {metric: values}
