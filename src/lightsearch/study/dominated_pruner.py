"""The pruner of studies with several objectives, which Optuna does not have."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

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
        self._finished: dict[int, _Curve] = {}
        """The curves of finished trials by their numbers."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to prune a trial after its last reported epoch.

        Args:
            study: The study, always the same one.
            trial: The trial.

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
        others = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        compared = [(one, costs) for one in others if (costs := self._curve(one, signs).at(step)) is not None]
        if sum(one.state is TrialState.COMPLETE for one, _ in compared) < self._n_startup_trials:
            return False
        if self._logged is None:
            self._logged = [name not in MEASURES for name in study.metric_names or [""] * len(signs)]
        best_of_each = [min(column) for column in zip(*(_costs(one, signs) for one in values.values()), strict=True)]
        return has_fallen_behind(
            Point(best_of_each, spreads_of(trial, len(signs))),
            [Point(costs, spreads_of(one, len(signs))) for one, costs in compared],
            self._logged,
            self._margin,
        )

    def _curve(self, trial: FrozenTrial, signs: Sequence[float]) -> _Curve:
        """The curve of another trial. Those of finished trials are kept: they are looked at after each epoch."""
        known = self._finished.get(trial.number)
        if known is not None:
            return known
        curve = _Curve.of(trial, signs)
        if trial.state.is_finished():
            self._finished[trial.number] = curve
        return curve


class _Curve(NamedTuple):
    """What a trial would have if it had ended at an epoch."""

    steps: list[int]
    costs: list[list[float]]
    """The costs at each step: those of the best epoch until then by the first objective."""
    goes_on: bool
    """Whether the last costs hold after the last step too: the trial is complete."""

    @staticmethod
    def of(trial: FrozenTrial, signs: Sequence[float]) -> _Curve:
        """The curve of a trial; empty if it is not compared."""
        values = epoch_values_of(trial) if trial.state is not TrialState.FAIL else {}
        steps = [step for step in sorted(values) if len(values[step]) == len(signs)]
        costs = list(accumulate((_costs(values[step], signs) for step in steps), _better))
        return _Curve(steps, costs, trial.state is TrialState.COMPLETE)

    def at(self, step: int) -> list[float] | None:
        """The costs at a step; None if the trial is not compared there."""
        place = bisect_right(self.steps, step)
        if place == 0 or (step > self.steps[-1] and not self.goes_on):
            return None
        return self.costs[place - 1]


def _better(before: list[float], now: list[float]) -> list[float]:
    """The costs with the better first objective; of equal ones the earlier, as for the best epoch of an outcome."""
    return now if now[0] < before[0] else before


def _costs(values: Sequence[float], signs: Sequence[float]) -> list[float]:
    """Values with the sign that makes less better."""
    return [sign * value for sign, value in zip(signs, values, strict=True)]
