"""How LightningModules and LightningDataModules keep their hyperparameters. Read in pytorch-lightning 2.6.6."""

from __future__ import annotations

from typing import Any

ATTRIBUTES = frozenset({"_hparams", "_hparams_initial", "_hparams_name"})
"""Attributes that ``save_hyperparameters`` adds to an object."""


def log_no_hyperparameters(data: Any) -> None:
    """Keeps a Trainer from sending the hyperparameters of a data module to its loggers."""
    data._log_hyperparams = False
