"""A running trial as its worker sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import optuna
from optuna.samplers import BaseSampler

from lightsearch.declare.study_file import StudyFile
from lightsearch.storage.opening import attach_storage
from lightsearch.storage.worker_storage import History
from lightsearch.study import samplers
from lightsearch.study.reporting_trial import ReportingTrial


class Attached(NamedTuple):
    """A running trial as its worker sees it."""

    trial: ReportingTrial
    """It can report and be pruned. Its parameters are sampled, or it samples them itself."""
    newest_attempt: Callable[[], int]
    """Reads the trial's newest attempt from the storage. If it is not the worker's, another worker has taken over."""


def attach_trial(study_file: StudyFile, url: str, trial_id: int, history: History | None = None) -> Attached:
    """Opens the storage in a worker, and attaches to a running trial.

    Args:
        study_file: The study file.
        url: The storage's URL.
        trial_id: The trial's id in the storage.
        history: The finished trials, if the coordinator gives them.
    """
    storage = attach_storage(url, history)
    sampler: BaseSampler = optuna.samplers.RandomSampler(seed=0)  # never used: the coordinator has sampled
    if study_file.objective is not None:
        sampler = samplers.seeded_sampler(study_file)
    study = optuna.load_study(
        study_name=study_file.name,
        storage=storage,
        sampler=sampler,
        pruner=samplers.pruner(study_file),
    )
    return Attached(ReportingTrial(study, trial_id), lambda: int(storage.get_trial_user_attrs(trial_id)["attempt"]))
