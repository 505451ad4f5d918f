"""What Optuna's studies and trials keep private. Read in Optuna 5.0.0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudySummary
from optuna.trial import FrozenTrial


def trial_id_of(trial: optuna.Trial | FrozenTrial) -> int:
    """A trial's id in its storage."""
    return trial._trial_id


def study_id_of(study: optuna.Study | StudySummary) -> int:
    """A study's id in its storage."""
    return study._study_id


def call_back(study: optuna.Study, function: Callable[[optuna.Study, FrozenTrial], object], trial: FrozenTrial) -> bool:
    """Calls a function as ``study.optimize`` calls its callbacks; returns whether it has called ``study.stop()``."""
    study._stop_flag = False
    study._thread_local.in_optimize_loop = True  # otherwise stop() is an error
    try:
        function(study, trial)
    finally:
        study._thread_local.in_optimize_loop = False
    return study._stop_flag


def add_trial(study: optuna.Study, trial: FrozenTrial) -> int:
    """Adds a trial to a study, as ``study.add_trial`` does, and returns its id, which ``add_trial`` does not."""
    return study._storage.create_new_trial(study._study_id, trial)


def set_cached_trials(study: optuna.Study, trials: list[FrozenTrial]) -> None:
    """Gives a study's sampler all trials of the study, in this thread and until the next ``ask()`` or ``tell()``.

    Otherwise the sampler reads all trials from the storage.
    """
    study._thread_local.cached_all_trials = trials


def database_of(storage: BaseStorage) -> BaseStorage:
    """The storage inside the cache that Optuna puts around a database storage; any other storage as it is."""
    database: BaseStorage = getattr(storage, "_backend", storage)
    return database


def intermediate_values_of(trial: optuna.Trial) -> dict[int, float]:
    """What a running trial has reported, by step: the trial's own dict, from which steps can be deleted."""
    return trial._cached_frozen_trial.intermediate_values


def frozen_of(trial: optuna.Trial) -> FrozenTrial:
    """A running trial with its number and all that it has reported, as ``should_prune`` gives it to a pruner."""
    return trial._get_latest_trial()


def enqueued_params_of(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters that a trial was enqueued with; empty if it was not enqueued."""
    params: dict[str, Any] = trial.system_attrs.get(FIXED_PARAMS, {})
    return params


FIXED_PARAMS = "fixed_params"
"""The system attribute of a trial with values that are given to it, instead of the sampler's."""


CMA_STATE = ("cma:", "sepcma:", "cmawm:")
"""Beginnings of the system attributes of trials in which ``CmaEsSampler`` keeps its state, of one space."""


def is_stop_request(error: RuntimeError) -> bool:
    """Whether an error is that of ``study.stop()`` outside of ``study.optimize``.

    Samplers that enumerate the space call ``study.stop()`` after the last point.
    """
    return "Study.stop" in str(error)
