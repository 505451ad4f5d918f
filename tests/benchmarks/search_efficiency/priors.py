"""A user's guess of good values, as good or as bad as wanted."""

from __future__ import annotations

import numpy as np
import optuna

from lightsearch.declare.space import Space
from lightsearch.declare.values import Value
from tests.benchmarks.search_efficiency.problem import Problem

N_DRAWN, SEED = 100, 0
"""Random configurations that a guess is taken from, the same ones for every search of a task."""


def prior_of(problem: Problem, task: str, percentile: float) -> dict[str, Value]:
    """The configuration at a percentile of the best accuracies of random ones: 100 is the best of them.

    Args:
        problem: The problem.
        task: The task that is searched.
        percentile: From 0 to 100.
    """
    space, objective = Space.model_validate(problem.space), problem.objective(task)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=SEED))
    drawn = [space.suggest(study.ask()) for _ in range(N_DRAWN)]
    order = np.argsort([objective(params).values.max() for params in drawn], kind="stable")
    return drawn[int(order[round(percentile / 100 * (N_DRAWN - 1))])]
