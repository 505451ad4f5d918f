"""Regret: how far a search is from the best known configuration, after every epoch that any trial has trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.benchmarks.search_efficiency.problem import Scale

BUDGETS = (2, 5, 10, 20, 50)
"""In full trainings."""

Regrets = npt.NDArray[np.float64]
"""(epochs,) of one search: the regret after each epoch."""


def regrets(known: list[float], scale: Scale, budget: int) -> Regrets:
    """The normalised regret of the best value so far.

    Args:
        known: The value of every epoch, in the order in which they became known.
        scale: The task's scale.
        budget: The number of epochs; a search that ended before keeps its regret.

    Returns:
        (budget,): 1 for a median random configuration, 0 for the best of many, below 0 for a better one.
    """
    best = np.maximum.accumulate(known)[:budget]
    best = np.concatenate([best, np.full(budget - len(best), best[-1])])
    return (scale.highest - best) / (scale.highest - scale.median)


class Summary(NamedTuple):
    """A method's regrets at the budgets, over tasks and seeds."""

    mean: list[float]
    se: list[float] | None
    """Standard errors of the means; None: there is one search."""
    n: int
    """Number of searches."""


def budgets_of(trainings: int) -> tuple[int, ...]:
    """The budgets up to a number of full trainings."""
    return tuple(budget for budget in BUDGETS if budget <= trainings)


def summarise(searches: list[Regrets], epochs: int, budgets: Sequence[int] = BUDGETS) -> Summary:
    """Mean and standard error at each budget.

    Args:
        searches: The regrets of every search.
        epochs: Of a full training.
        budgets: In full trainings.
    """
    at = np.array([[one[budget * epochs - 1] for budget in budgets] for one in searches])
    n = len(at)
    se = (at.std(axis=0, ddof=1) / np.sqrt(n)).tolist() if n > 1 else None
    return Summary(at.mean(axis=0).tolist(), se, n)


def slowdowns(one: list[Regrets], several: list[Regrets], epochs: int, budgets: Sequence[int] = BUDGETS) -> list[float]:
    """The epochs that several workers need, relative to one worker, for the mean regret of one at each budget.

    Args:
        one: The regrets of searches with one worker.
        several: Those with several.
        epochs: Of a full training.
        budgets: In full trainings.

    Returns:
        One ratio per budget; infinite if several workers do not get there.
    """
    alone, together = np.mean(one, axis=0), np.mean(several, axis=0)
    return [
        _epochs_to(together, target) / _epochs_to(alone, target)
        for target in (alone[budget * epochs - 1] for budget in budgets)
    ]


def write_json(
    path: Path,
    summaries: dict[str, Summary],
    budgets: Sequence[int] = BUDGETS,
    tasks: Mapping[str, Mapping[str, list[float]]] | None = None,
) -> None:
    """Writes ``{"budgets": [...], "methods": {"default": {"mean": [...], "se": [...], "n": 51}, ...}}``.

    Args:
        path: The file.
        summaries: The summaries, by method.
        budgets: In full trainings.
        tasks: The mean regrets at the budgets, by method and task, which are written under ``tasks``.
    """
    methods: dict[str, Any] = {name: summary._asdict() for name, summary in summaries.items()}
    found = {"budgets": list(budgets), "methods": methods, **({"tasks": tasks} if tasks else {})}
    path.write_text(json.dumps(found) + "\n")


def _epochs_to(mean: Regrets, target: float) -> float:
    """The epochs after which a mean regret is ``target`` or less."""
    reached = np.flatnonzero(mean <= target)
    return float(reached[0] + 1) if len(reached) else np.inf
