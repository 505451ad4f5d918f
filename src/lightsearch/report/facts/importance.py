"""The importance of each parameter, and the importance that chance alone would show."""

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
"""Complete trials that an importance needs."""
GOOD_SHARE = 0.25
"""The share of good trials, which are compared with all trials. In a smaller share, chance shows more, and a parameter
that matters shows no more."""
MIN_GOOD = 5
"""The number of good trials, at least."""
SHUFFLES = 20
"""The number of times the values are shuffled."""
SHUFFLES_OF_MANY = 8
"""The same for more than ``MANY`` trials: chance shows little there, and a shuffle takes longer."""
MANY = 500
SEED = 0


class Importance(NamedTuple):
    """The importance of one parameter."""

    name: str
    share: float
    """The share of all parameters' importance, in [0, 1]."""
    chance: float
    """The share that one of ten shuffles of the trials' values reaches; a smaller share means nothing."""


def importances(study: optuna.Study) -> list[Importance]:
    """How important each parameter is for a trial to be in the best quarter, the most important first.

    With several objectives, the first decides which trials are good.

    The method is PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023), as implemented by Optuna: it compares the
    distribution of a parameter in the best trials with its distribution in all trials. The same is computed on shuffled
    values, where no parameter matters.

    Returns:
        Empty if there are fewer than ``MIN_TRIALS`` complete trials, or if all trials are equal.
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
        warnings.simplefilter("ignore")  # Optuna warns that it minimizes the shuffled ranks, which is intended
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
