"""What a command has written: the study in the storage, and its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna

QUICK = ("--set", "trainer.max_epochs=4", "--set", "pruner={name='NopPruner'}")
"""A search of few epochs that prunes nothing."""


def load(place: Path, name: str = "digits") -> optuna.Study:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name=name)


def results(place: Path, name: str = "digits") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "studies" / name / "results.json").read_text())
    return content
