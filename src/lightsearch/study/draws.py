"""Tries samplers and pruners on a study in memory, so that their errors are found before a search."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler

from lightsearch.declare.space import Space

N_FINISHED = 12
"""Finished trials that samplers and pruners look at: more than the random trials that most samplers begin with."""


def try_sampler(sampler: BaseSampler, space: Space, n_objectives: int) -> None:
    """Has a sampler propose the first trial of a study, and one after ``N_FINISHED`` other trials.

    Raises:
        Exception: whatever the sampler raises.
    """
    others = [RandomSampler(seed=number) for number in range(N_FINISHED)]
    _try_samplers([sampler, *others, sampler], space, n_objectives)


def try_living_sampler(sampler: BaseSampler, restarted: BaseSampler, space: Space, n_objectives: int) -> None:
    """Has a sampler propose the trials of a study, and then the same sampler made anew one more, as after a restart.

    Raises:
        CannotRestart: from whatever the second one raises.
        Exception: whatever the first one raises.
    """
    study = _try_samplers([sampler] * (N_FINISHED + 1), space, n_objectives)
    if has_stopped(sampler):
        return
    try:
        _try_samplers([restarted], space, n_objectives, study)
    except Exception as error:
        raise CannotRestart(error) from error


def has_stopped(sampler: BaseSampler) -> bool:
    """Whether a sampler has asked Optuna to stop, as far as it tells: see ``samplers.LivingSampler``."""
    return bool(getattr(sampler, "has_stopped", False))


class CannotRestart(Exception):
    """A sampler fails in a study that it has not begun in the same process.

    Args:
        cause: What it raises.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


def _try_samplers(
    samplers: Sequence[BaseSampler], space: Space, n_objectives: int, study: optuna.Study | None = None
) -> optuna.Study:
    """Has each of several samplers propose one trial of a study, in their order; None: of a new study."""
    with _quietly():
        study = study or optuna.create_study(directions=["minimize"] * n_objectives)
        for sampler in samplers:
            if has_stopped(sampler):
                break
            study.sampler = sampler
            trial = study.ask()
            space.suggest(trial)
            study.tell(trial, [math.sin(trial.number + objective) for objective in range(n_objectives)])
    return study


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The distributions of a space's parameters, which every trial has. Those with a single value are left out.

    Optuna samples no parameter that has a single value.
    """
    with _quietly():
        trial = optuna.create_study(sampler=RandomSampler(seed=0)).ask()
        space.suggest(trial)
    return {name: found for name, found in trial.distributions.items() if not found.single()}


def try_enqueued(space: Space, params: dict[str, object]) -> None:
    """Samples a trial that was enqueued with the given parameters.

    Raises:
        Exception: whatever Optuna raises if the space does not have such parameters.
    """
    with _quietly():
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        study.enqueue_trial(params)
        space.suggest(study.ask())


def try_pruner(pruner: BasePruner, direction: Literal["maximize", "minimize"], space: Space) -> None:
    """Has a pruner judge a trial of a few steps, in a study with ``N_FINISHED`` other trials of a space.

    Raises:
        Exception: whatever the pruner raises.
    """
    with _quietly():
        study = optuna.create_study(direction=direction, pruner=pruner, sampler=RandomSampler(seed=0))
        for number in range(N_FINISHED):
            trial = study.ask()
            space.suggest(trial)
            for step in range(5):
                trial.report(math.sin(number + step), step)
            study.tell(trial, math.sin(number + 4))
        trial = study.ask()
        space.suggest(trial)
        for step in range(5):
            trial.report(0.5, step)
            trial.should_prune()


@contextmanager
def _quietly() -> Iterator[None]:
    """Hides what is logged: a sampler's own warnings belong to the search, and samplers are tried on other values."""
    disabled, verbosity = logging.root.manager.disable, optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(disabled)
        optuna.logging.set_verbosity(verbosity)
