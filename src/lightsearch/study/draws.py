"""Tries samplers and pruners on a study in memory, so that their errors are found before a search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import create_trial

from lightsearch.declare.space import Space

N_FINISHED = 12
"""Finished trials that samplers and pruners look at: more than the random trials that most samplers begin with."""


def try_sampler(sampler: BaseSampler, space: Space, n_objectives: int) -> None:
    """Has a sampler propose the first trial of a study, and one after ``N_FINISHED`` other trials.

    Raises:
        Exception: whatever the sampler raises.
    """
    with _quietly():
        study = optuna.create_study(directions=["minimize"] * n_objectives)
        for number in range(N_FINISHED + 2):
            study.sampler = sampler if number in (0, N_FINISHED + 1) else RandomSampler(seed=number)
            trial = study.ask()
            space.suggest(trial)
            study.tell(trial, [math.sin(number + objective) for objective in range(n_objectives)])


def try_enqueued(space: Space, params: dict[str, object]) -> None:
    """Samples a trial that was enqueued with the given parameters.

    Raises:
        Exception: whatever Optuna raises if the space does not have such parameters.
    """
    with _quietly():
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        study.enqueue_trial(params)
        space.suggest(study.ask())


def try_pruner(pruner: BasePruner, direction: Literal["maximize", "minimize"]) -> None:
    """Has a pruner judge a trial of a few steps, in a study with ``N_FINISHED`` other trials.

    Raises:
        Exception: whatever the pruner raises.
    """
    with _quietly():
        study = optuna.create_study(direction=direction, pruner=pruner)
        for number in range(N_FINISHED):
            curve = {step: math.sin(number + step) for step in range(5)}
            study.add_trial(create_trial(value=curve[4], intermediate_values=curve))
        trial = study.ask()
        for step in range(5):
            trial.report(0.5, step)
            trial.should_prune()


@contextmanager
def _quietly() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
