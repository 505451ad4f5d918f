"""The hooks that a module and its data must define."""

from __future__ import annotations

from typing import Any

from lightsearch.compat.lightning_package import overrides
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake

HOOKS = {
    "model": {
        "training_step": "add it, it returns the loss of a batch",
        "configure_optimizers": "add it, it returns the optimizer",
        "validation_step": "add it, the metric is logged there: a search compares trials by a validation",
    },
    "data": {
        "train_dataloader": "add it, it returns the training batches",
        "val_dataloader": "add it, it returns the validation batches: a search compares trials by a validation",
    },
}
"""The hooks, and hints for those that are missing."""


def missing_hooks(study_file: StudyFile, model: Any, data: Any) -> list[Mistake]:
    """The hooks that neither the study's classes nor these objects of them define."""
    return [
        *_missing(study_file.model_key, model, HOOKS["model"]),
        *_missing(study_file.loaders_key, data, HOOKS["data"]),
    ]


def _missing(at: tuple[str, str], given: Any, hooks: dict[str, str]) -> list[Mistake]:
    return [Mistake(*at, f"has no {name}; {hint}") for name, hint in hooks.items() if not overrides(given, name)]
