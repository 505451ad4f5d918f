"""What a search has cost: runs, epochs, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightsearch.report.facts.clock import Clock
from lightsearch.report.facts.row import Row
from lightsearch.report.readers import as_dict
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.racing import declared_runs


@dataclass(frozen=True)
class Effort:
    """What a search has cost so far."""

    runs: list[dict[str, Any]]
    """The recorded runs of the search command: ``started``, ``seconds``, ``workers``, ``ending``,
    and ``packing`` where packs were in question."""
    epochs: int
    """Epochs trained by finished trials."""
    max_epochs: int | None
    """Epochs that those trials would have trained without early stopping and pruning; None if it is not known."""
    seconds: float
    """Duration of the search: of the recorded runs, else from the first start to the last end without pauses."""


def effort_of(rows: Sequence[Row], attrs: dict[str, Any], clock: Clock) -> Effort:
    """The effort of a study with these trials and user attributes."""
    recorded = attrs.get("runs", [])
    runs = [run for run in recorded if isinstance(run, dict)] if isinstance(recorded, list) else []
    in_runs = sum(float(run.get("seconds", 0)) for run in runs)
    running = any(row.group == "running" for row in rows)
    finished = [row for row in rows if row.finished]
    return Effort(
        runs=runs,
        epochs=sum(row.outcome.epochs if row.outcome else len(curve_of(row.trial)) for row in finished),
        max_epochs=_max_epochs(finished, attrs),
        seconds=in_runs if in_runs and not running else max(clock.seconds, in_runs),
    )


def _max_epochs(finished: list[Row], attrs: dict[str, Any]) -> int | None:
    declared = as_dict(as_dict(attrs.get("fingerprint")).get("trainer")).get("max_epochs")
    if declared is None and not any("max_epochs" in row.trial.params for row in finished):
        return None
    runs = declared_runs(as_dict(attrs.get("fingerprint")))
    planned = [
        int(row.trial.params.get("max_epochs", declared or 0)) * runs - (row.outcome.first_epoch if row.outcome else 0)
        for row in finished
    ]
    # Each validation counts as an epoch, and there may be several in one.
    return sum(max(n, row.outcome.epochs if row.outcome else 0) for n, row in zip(planned, finished, strict=True))
