"""One row per epoch, from the storage and from the trials' ``epochs.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial

from lightsearch.declare.study_file import checked_name
from lightsearch.paths import study_folder, trial_folder
from lightsearch.report.tables.columns import float_column
from lightsearch.study.epoch_values import curve_of

if TYPE_CHECKING:
    import optuna
    import pandas as pd

EPOCHS = "epochs.csv"
"""The file in a trial's folder with one line per epoch."""


def epoch_table(study: optuna.Study, folder: Path | None = None) -> pd.DataFrame:
    """One row per trial and epoch, ordered by trial number and epoch.

    The storage holds the metric of every reported epoch; ``epochs.csv`` in a trial's folder holds everything else that
    was logged. A file that contradicts the storage belongs to another study and is left out.

    Columns:
        number, epoch: int64; epochs count from 0.
        value: float64, the study's metric; with several objectives, the first.
        metrics_NAME: float64, every logged metric.
        seconds: float64, wall time of the epoch.

    Args:
        study: Any Optuna study.
        folder: The study's folder; ``studies/<name>`` if None.
    """
    import pandas as pd

    folder = folder or default_folder(study)
    metric = study.user_attrs.get("metric")
    numbers: list[int] = []
    rows: list[dict[str, float]] = []
    for trial in study.get_trials(deepcopy=False):
        for epoch, row in epochs_of(trial, folder, metric).items():
            numbers.append(trial.number)
            rows.append({"epoch": epoch, **row})
    names = dict.fromkeys(name for row in rows for name in row if name not in ("epoch", "value", "seconds"))
    columns: dict[str, Any] = {
        "number": pd.array(numbers, dtype="int64"),
        "epoch": pd.array([int(row["epoch"]) for row in rows], dtype="int64"),
        "value": float_column([row.get("value") for row in rows]),
        **{f"metrics_{name}": float_column([row.get(name) for row in rows]) for name in names},
        "seconds": float_column([row.get("seconds") for row in rows]),
    }
    return pd.DataFrame(columns)


def default_folder(study: optuna.Study) -> Path | None:
    """``studies/<name>``; None if the name, of another program's study, is no safe folder name."""
    try:
        return study_folder(checked_name(study.study_name))
    except ValueError:
        return None


def epochs_of(trial: FrozenTrial, folder: Path | None, metric: str | None) -> dict[int, dict[str, float]]:
    """Each epoch of a trial, with everything known of it."""
    logged = dict(_read_epochs(trial_folder(folder, trial.number) / EPOCHS)) if folder else {}
    reported = curve_of(trial)
    if any(
        metric in row and not math.isclose(row[metric], reported[epoch], rel_tol=1e-6, abs_tol=1e-9)
        for epoch, row in logged.items()
        if metric is not None and epoch in reported
    ):
        logged = {}
    rows = {}
    for epoch in sorted(reported.keys() | logged.keys()):
        row = logged.get(epoch, {})
        value = reported.get(epoch, row.get(metric) if metric is not None else None)
        rows[epoch] = row if value is None else {**row, "value": value}
    return rows


def _read_epochs(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        with file.open(newline="", encoding="utf-8", errors="replace") as lines:
            for row in csv.DictReader(lines):
                if None in row.values():
                    continue  # the line is not complete: the trial is writing it
                try:
                    numbers = {name: float(text) for name, text in row.items() if name and text}
                    epoch = int(numbers.pop("epoch"))
                except (KeyError, TypeError, ValueError):
                    continue
                numbers.pop("value", None)
                yield epoch, numbers
    except (OSError, csv.Error):
        return
