"""How far a trial or a run has come."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from optuna.trial import FrozenTrial

from lightsearch.study.epoch_values import curve_of
from lightsearch.study.scheduling import until_of


def latest_epoch(trial: FrozenTrial) -> tuple[str, str]:
    """A running trial's last epoch and its first objective there, as text; ``-`` if there is none."""
    curve = curve_of(trial)
    if not curve:
        return "-", "-"
    step = max(curve)
    return str(step), f"{curve[step]:.5g}"


def last_epoch(trial: FrozenTrial) -> str:
    """The epoch after which a running trial pauses, or ends, as text; ``-`` if no scheduler has decided about it."""
    until = until_of(trial.user_attrs)
    return "-" if until is None else str(until - 1)


def last_row(folder: Path) -> dict[str, str]:
    """The last row of ``epochs.csv`` in the folder of a trial or a run; empty if there is none that is complete."""
    with contextlib.suppress(OSError, csv.Error), (folder / "epochs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        return {name: value or "" for name, value in rows[-1].items()} if rows else {}
    return {}
