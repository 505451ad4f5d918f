"""The hooks that a module and its data must define."""

from __future__ import annotations

from typing import Any

from lightsearch.compat.lightning_package import package_of
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
        *_missing(study_file.model.class_path, model, "model"),
        *_missing(study_file.data.class_path, data, "data"),
    ]


def _missing(class_path: str, given: Any, section: str) -> list[Mistake]:
    lightning = package_of(type(given))
    base = lightning and (lightning.LightningModule if section == "model" else lightning.LightningDataModule)
    return [
        Mistake(f"{section}.class_path", class_path, f"has no {name}; {hint}")
        for name, hint in HOOKS[section].items()
        if name not in vars(given) and getattr(type(given), name, None) is getattr(base, name)
    ]
