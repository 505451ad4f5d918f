"""Hyperparameter search for PyTorch Lightning on Optuna."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightsearch.api import search
    from lightsearch.launchers.ray import RayCluster
    from lightsearch.models.classifier import Classifier
    from lightsearch.training.function_trial import trial_folder

__all__ = ["Classifier", "RayCluster", "search", "trial_folder"]
__version__ = "0.1.0"

_MODULES = {
    "Classifier": "lightsearch.models.classifier",
    "RayCluster": "lightsearch.launchers.ray",
    "search": "lightsearch.api",
    "trial_folder": "lightsearch.training.function_trial",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: torch and Lightning take seconds, and `--help` need not wait for them.
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
