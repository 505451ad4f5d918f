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

_PLACES = {
    "Classifier": "lightsearch.models.classifier",
    "RayCluster": "lightsearch.launchers.ray",
    "search": "lightsearch.api",
    "trial_folder": "lightsearch.training.function_trial",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing torch and Lightning takes seconds, which `--help` need not wait for.
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
