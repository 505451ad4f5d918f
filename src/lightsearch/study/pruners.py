"""The pruners that a study file can name: Optuna's, and lightsearch's own for several objectives."""

from __future__ import annotations

from optuna.pruners import *  # noqa: F403
from optuna.pruners import __all__ as of_optuna

from lightsearch.study.dominated_pruner import DominatedPruner

__all__ = [*of_optuna, "DominatedPruner"]

FOR_SEVERAL = ("DominatedPruner", "NopPruner")
"""Those that a study with several objectives can have. All others compare one value."""
