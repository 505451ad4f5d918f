"""Creates a study as a whole: wherever the process is killed, the study exists with all that belongs to it, or not.

A study is made under a temporary name, and renamed once it is complete.
"""

from __future__ import annotations

import uuid
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import study_id_of
from lightsearch.declare.study_file import NAME_LENGTH, StudyFile
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.storage.study_artifacts import ATTR

UNFINISHED = "~"
"""First character of a study's name until the study is complete; no name in a study file begins with it."""


DELETED = "~~"
"""First characters of a study's name while it is deleted."""


@dataclass(frozen=True)
class NewStudy:
    """What a study is created from."""

    study_file: StudyFile
    """Its study file."""
    attrs: dict[str, Any]
    """Its user attributes."""
    first: list[dict[str, Any]]
    """Configurations that it runs first."""


def create(storage: RetryingStorage, new: NewStudy) -> None:
    """Creates a study. The caller holds the study's lock."""
    storage.rename_studies({_make(storage, new): new.study_file.name})


def replace_study(storage: RetryingStorage, old: optuna.Study, new: NewStudy, folder: Path) -> str | None:
    """Replaces a study without finished trials by a new one. The caller holds the study's lock.

    The new study is another one in the storage, since Optuna changes neither a study's directions nor the distributions
    of its parameters. The old study, its trials and their files get another name. If no trial had begun, the old study
    is deleted.

    Args:
        storage: The storage.
        old: The present study.
        new: The new study.
        folder: The study's folder.

    Returns:
        The new name of the old study; None if it was deleted.
    """
    name = _free_name(storage, new.study_file.name, folder)
    uid = uuid.uuid4().hex
    attrs = {**new.attrs, "uid": uid, "replaces": name}
    if (artifacts := old.user_attrs.get(ATTR)) is not None:
        attrs[ATTR] = f"{artifacts.rpartition('/')[0]}/{new.study_file.name}-{uid[:8]}"  # beside those of the old study
    new_id = _make(storage, replace(new, attrs=attrs))
    if folder.exists():
        # Before the studies are renamed: if the process is killed in between, the old study keeps its name, and its
        # trials start from the beginning. In the other order a new trial would continue from an old checkpoint.
        folder.rename(folder.with_name(name))
    storage.rename_studies({study_id_of(old): name, new_id: new.study_file.name})
    if any(has_begun(trial) for trial in old.get_trials(deepcopy=False)):
        return name
    optuna.delete_study(study_name=name, storage=storage)
    return None


def discard_unfinished(storage: RetryingStorage, name: str) -> None:
    """Deletes the incomplete study of a process that was killed. The caller holds the study's lock."""
    if UNFINISHED + name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=UNFINISHED + name, storage=storage)


def study_names(storage: RetryingStorage) -> list[str]:
    """The names of a storage's studies; those that are not yet complete are left out."""
    return sorted(name for name in optuna.get_all_study_names(storage) if not name.startswith(UNFINISHED))


def has_begun(trial: FrozenTrial) -> bool:
    """Whether a trial was ever started; an enqueued trial was not."""
    return trial.state is not TrialState.WAITING or "attempt" in trial.user_attrs


def is_worked_in(folder: Path) -> bool:
    """Whether a process works in a trial folder of a study. A worker may outlive its coordinator for a moment."""
    return any(is_held(file) for file in folder.glob("trial-*/.worker.lock"))


def is_held(file: Path) -> bool:
    """Whether a process holds the lock of an existing file."""
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _make(storage: RetryingStorage, new: NewStudy) -> int:
    """Makes a study under its temporary name; returns its id."""
    study_file = new.study_file
    directions = [StudyDirection[direction.upper()] for direction in study_file.directions]
    study = optuna.create_study(storage=storage, study_name=UNFINISHED + study_file.name, directions=directions)
    if study_file.multi_objective:
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names(list(study_file.metrics))  # Optuna's dashboard shows them
    for key, value in {"uid": uuid.uuid4().hex, **new.attrs}.items():
        study.set_user_attr(key, value)
    for params in new.first:
        study.enqueue_trial(dict(params))
    return study_id_of(study)


def _free_name(storage: RetryingStorage, name: str, folder: Path) -> str:
    """A name that no study has and, if the study has a folder, no other folder."""
    taken, number = set(optuna.get_all_study_names(storage)), 1
    stem = name[: NAME_LENGTH - 16].rstrip(".")
    while (free := f"{stem}.before-{number}") in taken or (folder.exists() and folder.with_name(free).exists()):
        number += 1
    return free
