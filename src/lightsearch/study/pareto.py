"""Ranks trials, and finds the Pareto front of several objectives.

A trial dominates another one if it is no worse in every objective, and better in one. The trials that no other trial
dominates are the Pareto front: whatever is better than one of them in one objective is worse in another.

Values that were measured with a spread (``latency_ms``) are equal if they differ by no more than the larger of their
spreads. So a front may hold two trials of which one is a little slower and otherwise equal. This equality is not
transitive: of three latencies the first may be equal to the second and the second to the third, but not the first to
the third. Hence each trial is compared with all others, also with dominated ones. Only one objective can have spreads,
so domination has no cycles, and there is always a front. Optuna does not know spreads: its ``best_trials`` and its
samplers compare the values as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState

SPREADS = "spreads"
"""User attribute of a trial: the spread of each of its values, if one was measured with a spread."""


def as_list(one_or_more: str | Sequence[str]) -> list[str]:
    """What a study file gives once, or once for each objective, as a list."""
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)


def ranked(trials: Sequence[FrozenTrial], directions: Sequence[str]) -> list[FrozenTrial]:
    """The complete trials, the best first: by the first objective, equal ones by the next, then the earlier first.

    Objectives that were measured with a spread are compared last. The first trial is on the Pareto front. Trials
    with a value that is not finite or with a violated constraint, which Optuna accepts from other programs, are left
    out.

    Args:
        trials: All trials of the study.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and _is_feasible(trial)]
    spread = [any(column) for column in zip(*(spreads_of(trial, len(directions)) for trial in complete), strict=True)]

    def key(trial: FrozenTrial) -> tuple[list[float], int]:
        by_spread = sorted(zip(spread, _costs(trial, directions), strict=True), key=lambda pair: pair[0])
        return [cost for _, cost in by_spread], trial.number

    return sorted(complete, key=key)


def non_dominated(trials: Sequence[FrozenTrial], directions: Sequence[str]) -> list[FrozenTrial]:
    """The Pareto front, in the order of ``ranked``; trials with equal values are on it together.

    Args:
        trials: All trials of the study.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    n = len(directions)
    points = [_Point(_costs(trial, directions), spreads_of(trial, n), trial) for trial in ranked(trials, directions)]
    found: list[_Point] = []
    for point in points:  # without spreads, a trial comes after all that dominate it
        if not any(_dominates(other, point, exactly=True) for other in found):
            found.append(point)
    if any(any(point.spreads) for point in points):
        rivals = [*found, *points]  # the likeliest first
        found = [point for point in points if not any(_dominates(other, point) for other in rivals)]
    return [point.trial for point in found]


def spreads_of(trial: FrozenTrial, n_objectives: int) -> list[float]:
    """The spread of each objective of a trial; 0 for exact values."""
    spreads = trial.user_attrs.get(SPREADS)
    if isinstance(spreads, list) and len(spreads) == n_objectives:  # another program may use the same name
        return [float(spread) for spread in spreads]
    return [0.0] * n_objectives


class _Point(NamedTuple):
    costs: list[float]
    """The trial's values, with the sign that makes less better."""
    spreads: list[float]
    trial: FrozenTrial


def _dominates(one: _Point, other: _Point, *, exactly: bool = False) -> bool:
    """Whether one trial dominates another.

    Args:
        one: The first trial.
        other: The second trial.
        exactly: Whether to ignore spreads.
    """
    better = False
    for own, its, *spreads in zip(one.costs, other.costs, one.spreads, other.spreads, strict=True):
        tolerance = 0.0 if exactly else max(spreads)
        if own > its + tolerance:
            return False
        better = better or own < its - tolerance
    return better


def _costs(trial: FrozenTrial, directions: Sequence[str]) -> list[float]:
    """The trial's values, with the sign that makes less better."""
    return [
        -value if direction == "maximize" else value
        for value, direction in zip(trial.values, directions, strict=True)
    ]  # fmt: skip


def _is_feasible(trial: FrozenTrial) -> bool:
    """Whether all values are finite and no constraint is violated."""
    finite = all(math.isfinite(value) for value in trial.values)
    return finite and all(excess <= 0 for excess in trial.constraints.values())
