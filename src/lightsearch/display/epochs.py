"""How far a trial or a run has come."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from optuna.trial import FrozenTrial

from lightsearch.paths import trial_folder


def latest_epoch(trial: FrozenTrial, folder: Path, metric: str) -> tuple[str, str]:
    """A running trial's last epoch and its metric, as text; ``-`` if there is none.

    With several objectives a trial reports nothing to the storage; its folder holds the epochs.

    Args:
        trial: The trial.
        folder: The study's folder.
        metric: The study's first metric.
    """
    step = trial.last_step
    if step is not None:
        return str(step), f"{trial.intermediate_values[step]:.5g}"
    row = last_row(trial_folder(folder, trial.number))
    return (row["epoch"], f"{float(row[metric]):.5g}") if row.get("epoch") and row.get(metric) else ("-", "-")


def last_row(folder: Path) -> dict[str, str]:
    """The last row of ``epochs.csv`` in the folder of a trial or a run; empty if there is none that is complete."""
    with contextlib.suppress(OSError, csv.Error), (folder / "epochs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        return {name: value or "" for name, value in rows[-1].items()} if rows else {}
    return {}
