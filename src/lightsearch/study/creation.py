"""A study comes into being whole: killed anywhere, it is there with all that belongs to it, or not at all."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightsearch.declare.study_file import NAME_LENGTH, StudyFile
from lightsearch.storage.artifacts import ATTR
from lightsearch.storage.retrying import RetryingStorage

IN_THE_MAKING = "~"
"""What the name of a study begins with until it is whole; no study file's name begins so."""


def create(
    storage: RetryingStorage, declared: StudyFile, attrs: dict[str, Any], first: Sequence[dict[str, Any]]
) -> None:
    """Creates the study. The caller holds the study's lock.

    Args:
        storage: The storage.
        declared: The study file.
        attrs: What is kept with the study.
        first: Configurations to run first.
    """
    storage.rename_studies({_make(storage, declared, attrs, first): declared.name})


def replace(
    storage: RetryingStorage,
    old: optuna.Study,
    declared: StudyFile,
    attrs: dict[str, Any],
    first: Sequence[dict[str, Any]],
    folder: Path,
) -> str | None:
    """Puts a new study in the place of one without finished trials. The caller holds the study's lock.

    Another study, since Optuna changes neither a study's directions nor what its parameters are chosen from. The old
    one, with its trials and their files, gets another name; one that has never begun is deleted.

    Args:
        storage: The storage.
        old: The study so far.
        declared: The study file.
        attrs: What is kept with the new study.
        first: Configurations to run first.
        folder: The study's folder.

    Returns:
        The old study's name from now on; None if it was deleted.
    """
    name = _free_name(storage, declared.name, folder)
    uid = uuid.uuid4().hex
    attrs = {**attrs, "uid": uid, "replaces": name}
    if (place := old.user_attrs.get(ATTR)) is not None:
        attrs[ATTR] = f"{place.rpartition('/')[0]}/{declared.name}-{uid[:8]}"  # beside what the old one has there
    new_id = _make(storage, declared, attrs, first)
    if folder.exists():
        # First: killed after this, the old study is still the one of this name, and its trials begin anew. The other
        # way round a new trial would go on from an old one's checkpoint.
        folder.rename(folder.with_name(name))
    storage.rename_studies({old._study_id: name, new_id: declared.name})
    if any(has_begun(trial) for trial in old.get_trials(deepcopy=False)):
        return name
    optuna.delete_study(study_name=name, storage=storage)
    return None


def discard_half_made(storage: RetryingStorage, name: str) -> None:
    """Deletes what somebody who was killed while creating the study left. The caller holds the study's lock."""
    if IN_THE_MAKING + name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=IN_THE_MAKING + name, storage=storage)


def study_names(storage: RetryingStorage) -> list[str]:
    """The names of the studies of a storage that are whole."""
    return sorted(name for name in optuna.get_all_study_names(storage) if not name.startswith(IN_THE_MAKING))


def has_begun(trial: FrozenTrial) -> bool:
    """Whether somebody has worked at a trial; one that is merely enqueued is not worked at."""
    return trial.state is not TrialState.WAITING or "attempt" in trial.user_attrs


def is_worked_in(folder: Path) -> bool:
    """Whether a process works in one of a study's trial folders: a worker may outlive its coordinator for a moment."""
    for file in folder.glob("trial-*/.worker.lock"):
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
    return False


def _make(storage: RetryingStorage, declared: StudyFile, attrs: dict[str, Any], first: Sequence[dict[str, Any]]) -> int:
    """Makes the study under a name that nobody looks for; returns its id."""
    directions = [StudyDirection[direction.upper()] for direction in declared.directions]
    study = optuna.create_study(storage=storage, study_name=IN_THE_MAKING + declared.name, directions=directions)
    if declared.multi_objective:
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names(list(declared.metrics))  # for Optuna's dashboard, say
    for key, value in {"uid": uuid.uuid4().hex, **attrs}.items():
        study.set_user_attr(key, value)
    for params in first:
        study.enqueue_trial(dict(params))
    return study._study_id


def _free_name(storage: RetryingStorage, name: str, folder: Path) -> str:
    """A name that no study has, nor, if there are files to be kept under it, a folder."""
    taken, number = set(optuna.get_all_study_names(storage)), 1
    stem = name[: NAME_LENGTH - 16].rstrip(".")
    while (free := f"{stem}.before-{number}") in taken or (folder.exists() and folder.with_name(free).exists()):
        number += 1
    return free
