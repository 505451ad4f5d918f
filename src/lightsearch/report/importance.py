"""How much each parameter matters, and how much of that chance alone would show."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from lightsearch.study.origin import may_lead

if TYPE_CHECKING:
    from optuna.importance import PedAnovaImportanceEvaluator

MIN_TRIALS = 10
"""Complete trials without which no importance is worth showing."""
GOOD_SHARE = 0.25
"""The best quarter of the trials is compared with all of them, and five trials at least: chance shows less than in
a smaller part, and what matters shows as much."""
MIN_GOOD = 5
SHUFFLES = 20
SHUFFLES_OF_MANY = 8
"""Of more than ``MANY`` trials: chance shows little there, and each shuffle takes its time."""
MANY = 500
SEED = 0


class Importance(NamedTuple):
    """One parameter's."""

    name: str
    share: float
    """Its share of all parameters' importance, in [0, 1]."""
    chance: float
    """The share that it reached in one of ten shuffles of the trials' values: below it, nothing is shown."""


def importances(study: optuna.Study) -> list[Importance]:
    """Every parameter's importance for being among the best quarter of the trials, the most important first.

    Of several objectives the first decides which those are.

    PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023) as Optuna has it: how differently a parameter is distributed
    in the best trials and in all of them. The same is computed on shuffled values, where nothing matters.

    Returns:
        Empty if there are fewer than ``MIN_TRIALS`` complete trials, or if they all are the same.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    trials = [trial for trial in may_lead(complete, study.user_attrs) if _usable(trial)]
    if len(trials) < MIN_TRIALS:
        return []
    from optuna.importance import PedAnovaImportanceEvaluator  # imports scikit-learn, for another method: a second

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    copy = optuna.create_study(direction=study.directions[0])  # in memory: the evaluator reads the trials in every call
    copy.add_trials(
        [optuna.trial.create_trial(params=t.params, distributions=t.distributions, value=t.values[0]) for t in trials]
    )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=min(0.5, max(GOOD_SHARE, MIN_GOOD / len(trials))))
    random = np.random.default_rng(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a target is minimised, as the shuffles' is meant to be
        found = evaluator.evaluate(copy)
        total = sum(found.values())
        if not total > 0:
            return []
        shuffled = [
            _evaluate_shuffled(evaluator, copy, random.permutation(len(trials)))
            for _ in range(SHUFFLES if len(trials) <= MANY else SHUFFLES_OF_MANY)
        ]
    return [
        Importance(name, value / total, float(np.quantile([one.get(name, 0.0) for one in shuffled], 0.9)) / total)
        for name, value in found.items()
    ]


def _evaluate_shuffled(
    evaluator: PedAnovaImportanceEvaluator, copy: optuna.Study, order: NDArray[np.int64]
) -> dict[str, float]:
    found: dict[str, float] = evaluator.evaluate(copy, target=lambda trial: float(order[trial.number]))
    return found


def _usable(trial: FrozenTrial) -> bool:
    return bool(trial.params) and trial.values is not None and math.isfinite(trial.values[0])
