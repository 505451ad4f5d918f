"""Hyperparameter search for PyTorch Lightning on Optuna."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightsearch import tables
    from lightsearch.api import evaluate, load, retrain, search
    from lightsearch.control import enqueue
    from lightsearch.coordinator.search_result import SearchResult
    from lightsearch.declare.distributions import Choice, Fixed, Float, Int, List
    from lightsearch.errors import ResourceUnavailable, UserError
    from lightsearch.launchers.ray import RayCluster
    from lightsearch.models.classifier import Classifier
    from lightsearch.training.function_trial import trial_folder

__all__ = [
    "Choice",
    "Classifier",
    "Fixed",
    "Float",
    "Int",
    "List",
    "RayCluster",
    "ResourceUnavailable",
    "SearchResult",
    "UserError",
    "enqueue",
    "evaluate",
    "load",
    "retrain",
    "search",
    "tables",
    "trial_folder",
]
__version__ = "0.1.0"

_MODULES = {
    "Choice": "lightsearch.declare.distributions",
    "Classifier": "lightsearch.models.classifier",
    "Fixed": "lightsearch.declare.distributions",
    "Float": "lightsearch.declare.distributions",
    "Int": "lightsearch.declare.distributions",
    "List": "lightsearch.declare.distributions",
    "RayCluster": "lightsearch.launchers.ray",
    "ResourceUnavailable": "lightsearch.errors",
    "SearchResult": "lightsearch.coordinator.search_result",
    "UserError": "lightsearch.errors",
    "enqueue": "lightsearch.control",
    "evaluate": "lightsearch.api",
    "load": "lightsearch.api",
    "retrain": "lightsearch.api",
    "search": "lightsearch.api",
    "trial_folder": "lightsearch.training.function_trial",
}


if not TYPE_CHECKING:  # a type checker knows all names, and so reports a misspelt one

    def __getattr__(name: str) -> Any:
        # Imported on first use: torch and Lightning take seconds, and `--help` need not wait for them.
        if name in _MODULES:
            return getattr(importlib.import_module(_MODULES[name]), name)
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
