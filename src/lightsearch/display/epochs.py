"""How far a trial or a run has come."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from optuna.trial import FrozenTrial

from lightsearch.study.epoch_values import curve_of


def latest_epoch(trial: FrozenTrial) -> tuple[int, str]:
    """The epochs, or steps, that a running trial has, and its first objective at the last one; ``-`` if it has none."""
    curve = curve_of(trial)
    return (max(curve) + 1, f"{curve[max(curve)]:.5g}") if curve else (0, "-")


def last_row(folder: Path) -> dict[str, str]:
    """The last row of ``epochs.csv`` in the folder of a trial or a run; empty if there is none that is complete."""
    with contextlib.suppress(OSError, csv.Error), (folder / "epochs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        return {name: value or "" for name, value in rows[-1].items()} if rows else {}
    return {}
