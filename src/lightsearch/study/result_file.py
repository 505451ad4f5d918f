"""The outcome that a worker wrote, read by whoever is to record it."""

from __future__ import annotations

from pathlib import Path

from lightsearch.outcome import Outcome
from lightsearch.study.origin import outcome_of as outcome_of


def read_outcome(folder: Path, attempt: int) -> Outcome | None:
    """What a worker wrote at the trial's end; None if it did not come to that in this attempt."""
    try:
        outcome = Outcome.model_validate_json((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return outcome if outcome.attempt == attempt else None
