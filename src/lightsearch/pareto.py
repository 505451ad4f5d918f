"""Several objectives: which trials no other one beats.

A trial beats another if it is no worse in every objective, and better in one. Those that none beats are the Pareto
front: what is better than one of them in one objective is worse in another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState


def listed(one_or_more: str | Sequence[str]) -> list[str]:
    """What a study file says once, or once for each objective, as a list."""
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)


def ranked(trials: Sequence[FrozenTrial], directions: Sequence[str]) -> list[FrozenTrial]:
    """The complete trials by their first objective, the best first; of equals the better in the next, or the earlier.

    The first of them is on the front. Trials with a value that is not finite, or that violate a constraint, are left
    out: Optuna takes those from other programs.

    Args:
        trials: All trials of the study.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and _counts(trial)]
    return sorted(complete, key=lambda trial: (_costs(trial, directions), trial.number))


def front(trials: Sequence[FrozenTrial], directions: Sequence[str]) -> list[FrozenTrial]:
    """The Pareto front, in the order of ``ranked``; trials with equal values are on it together.

    Args:
        trials: All trials of the study.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    found: list[tuple[list[float], FrozenTrial]] = []
    for trial in ranked(trials, directions):  # whoever beats a trial comes before it
        costs = _costs(trial, directions)
        if not any(_beats(other, costs) for other, _ in found):
            found.append((costs, trial))
    return [trial for _, trial in found]


def _beats(one: list[float], other: list[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _costs(trial: FrozenTrial, directions: Sequence[str]) -> list[float]:
    """The trial's values, turned so that less is better."""
    return [
        -value if direction == "maximize" else value
        for value, direction in zip(trial.values, directions, strict=True)
    ]  # fmt: skip


def _counts(trial: FrozenTrial) -> bool:
    finite = all(math.isfinite(value) for value in trial.values)
    return finite and all(excess <= 0 for excess in trial.constraints.values())
