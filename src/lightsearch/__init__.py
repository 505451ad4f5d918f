"""Hyperparameter search for PyTorch Lightning on Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightsearch.classifier import Classifier

__all__ = ["Classifier"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing it takes seconds (torch, Lightning), which `--help` need not wait for.
    if name == "Classifier":
        from lightsearch.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
