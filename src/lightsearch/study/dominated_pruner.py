"""The pruner of studies with several objectives, which Optuna does not have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from lightsearch.declare.measures import MEASURES
from lightsearch.study.dominated import Point, has_fallen_behind
from lightsearch.study.epoch_values import epoch_values_of
from lightsearch.study.pareto import spreads_of


class DominatedPruner(BasePruner):
    """Prunes trials that others dominate by a margin at the same epoch; ``dominated`` has the rule and its sources.

    A trial counts with the best value that it has had in each objective. The others count with the values that they
    would have if they ended at that epoch: those of their best epoch by the first objective. So the doubt is the
    trial's. A complete trial keeps its values in later epochs, which it did not need; a pruned or a running trial is
    compared only in epochs that it has reached. Failed trials are left out.

    Args:
        margin: The margin in the logged objectives, as a share of the interquartile range at that epoch.
        n_startup_trials: Complete trials to compare with, before any trial is pruned.
        n_warmup_steps: Epochs of a trial in which it is not pruned.
    """

    def __init__(self, margin: float = 0.2, n_startup_trials: int = 5, n_warmup_steps: int = 1) -> None:
        if not (margin >= 0 and math.isfinite(margin)):
            raise ValueError("the margin is a share of the interquartile range; write 0 or more")
        self._margin = margin
        self._n_startup_trials = n_startup_trials
        self._n_warmup_steps = n_warmup_steps
        self._logged: list[bool] | None = None
        """Whether each objective is logged."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to prune a trial after its last reported epoch.

        Raises:
            ValueError: if the study has a single objective.
        """
        if len(study.directions) == 1:
            raise ValueError("compares several objectives, and this study has one; use MedianPruner")
        values = epoch_values_of(trial)
        step = max(values, default=-1)
        if step < self._n_warmup_steps:
            return False
        signs = [-1.0 if direction.name == "MAXIMIZE" else 1.0 for direction in study.directions]
        trials = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        compared = [(one, found) for one in trials if (found := _costs_at(one, step, signs)) is not None]
        if sum(one.state is TrialState.COMPLETE for one, _ in compared) < self._n_startup_trials:
            return False
        if self._logged is None:
            self._logged = [name not in MEASURES for name in study.metric_names or [""] * len(signs)]
        return has_fallen_behind(
            Point(_best_of_each(values, signs), spreads_of(trial, len(signs))),
            [Point(costs, spreads_of(one, len(signs))) for one, costs in compared],
            self._logged,
            self._margin,
        )


def _costs_at(trial: FrozenTrial, step: int, signs: Sequence[float]) -> list[float] | None:
    """What another trial would have if it ended at a step; None if it is not compared there."""
    if trial.state is TrialState.FAIL:
        return None
    values = epoch_values_of(trial)
    if max(values, default=-1) < step and trial.state is not TrialState.COMPLETE:
        return None
    costs = [_costs(values[at], signs) for at in sorted(values) if at <= step and len(values[at]) == len(signs)]
    return min(costs, key=lambda found: found[0]) if costs else None  # the first of equal epochs, as in the outcome


def _best_of_each(values: Mapping[int, Sequence[float]], signs: Sequence[float]) -> list[float]:
    """The best value of each objective over all epochs."""
    return [min(column) for column in zip(*(_costs(one, signs) for one in values.values()), strict=True)]


def _costs(values: Sequence[float], signs: Sequence[float]) -> list[float]:
    """Values with the sign that makes less better."""
    return [sign * value for sign, value in zip(signs, values, strict=True)]
