"""Deletes a study: its trials in the storage, its folder, and its files in an object store.

The study is renamed first, so that no search continues a study of which a part is gone. It is deleted last, so that a
deletion that was interrupted can be repeated.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from lightsearch.compat.optuna_trials import study_id_of
from lightsearch.errors import Mistake, ResourceUnavailable, UserError
from lightsearch.paths import study_folder
from lightsearch.storage.artifacts import Artifacts
from lightsearch.storage.locks import storage_time, study_lock
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.storage.study_artifacts import ATTR
from lightsearch.storage.urls import study_options
from lightsearch.study.creation import DELETED, is_held, is_worked_in
from lightsearch.study.leases import is_stale
from lightsearch.study.searches import running_searches
from lightsearch.study.stored import find_study


class StudyParts(NamedTuple):
    """What a study consists of."""

    study: optuna.Study
    n_trials: int
    folder: Path
    """Its folder, or a link to it; it need not exist."""
    artifacts: str | None
    """The URL of its trials' files in an object store."""


def parts_of(storage: RetryingStorage, name: str) -> StudyParts:
    """Finds what is to be deleted, also of a deletion that was interrupted.

    Args:
        storage: The storage.
        name: The study's checked name.

    Raises:
        UserError: if there is no such study, a search runs on it, or its files are in a place that is not its own.
    """
    begun = DELETED + name in optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=DELETED + name, storage=storage) if begun else find_study(storage, name)
    parts = StudyParts(study, len(study.get_trials(deepcopy=False)), study_folder(name), study.user_attrs.get(ATTR))
    _check(parts, storage, name)
    return parts


def delete(parts: StudyParts, storage: RetryingStorage, url: str, name: str) -> None:
    """Deletes a study. If it is interrupted, ``parts_of`` and ``delete`` continue it.

    Args:
        parts: What ``parts_of`` has found.
        storage: The storage.
        url: Its URL.
        name: The study's name.

    Raises:
        UserError: if a search has begun meanwhile.
        ResourceUnavailable: if a file cannot be deleted.
    """
    with study_lock(url, name, retry_seconds=storage.retry_seconds):
        _check(parts, storage, name)
        storage.rename_studies({study_id_of(parts.study): DELETED + name})
        if parts.artifacts is not None:
            Artifacts(parts.artifacts).delete()
        try:
            if parts.folder.is_symlink():
                parts.folder.unlink()  # what it leads to is not in the studies folder
            elif parts.folder.exists():
                shutil.rmtree(parts.folder)  # it follows no links
        except OSError as error:
            raise ResourceUnavailable(f"{error.filename} cannot be deleted: {error.strerror}") from error
        storage.delete_study(study_id_of(parts.study))


def _check(parts: StudyParts, storage: RetryingStorage, name: str) -> None:
    now = storage_time(storage)
    runs = any(
        trial.state is TrialState.RUNNING and "owner" in trial.user_attrs and not is_stale(trial.user_attrs, now)
        for trial in parts.study.get_trials(deepcopy=False)
    )
    if runs or running_searches(storage, study_id_of(parts.study)) or is_worked_in(parts.folder):
        hint = f"a search runs on it; stop it first: lightsearch stop {study_options(name, storage.url)}"
        raise UserError(Mistake("--study", name, hint))
    if any(is_held(file) for file in parts.folder.glob(".retrain.lock")):
        hint = "lightsearch retrain works on it; wait until that has ended, or end it"
        raise UserError(Mistake("--study", name, hint))
    uid = str(parts.study.user_attrs.get("uid", ""))[:8]
    if parts.artifacts is not None and not re.search(rf"/[^/]+-{re.escape(uid)}$", parts.artifacts):
        hint = f"its files are said to be at {parts.artifacts}, which is no folder of a study; delete them yourself"
        raise UserError(Mistake("--study", name, hint))
