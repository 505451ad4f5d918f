"""The result of a study that is in the storage, whoever searched or searches."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from lightsearch.coordinator.ending import Ending
from lightsearch.coordinator.results import summarise
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.paths import study_folder
from lightsearch.storage.locks import storage_time
from lightsearch.storage.opening import open_storage
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.leases import is_stale
from lightsearch.study.stored import declaration_of, find_study


def stored_result(name: str, url: str, data_dir: str | None) -> SearchResult:
    """Reads the result of a study. Nothing is written.

    Args:
        name: The study's name.
        url: The storage.
        data_dir: Folder of the data files; None: each data class's default.

    Raises:
        UserError: if the storage cannot be opened, or there is no such study.
    """
    storage = open_storage(url, create=False)
    study = find_study(storage, name)
    return SearchResult(
        ending=_ending(study, storage),
        results=summarise(study.get_trials(deepcopy=False), study.user_attrs, name),
        study=study,
        folder=study_folder(name),
        failure=None,
        unavailable=None,
        signal=None,
        study_file=declaration_of(study),
        data_dir=data_dir,
    )


def _ending(study: optuna.Study, storage: RetryingStorage) -> Ending:
    """How the last search ended that could record it."""
    now = storage_time(storage)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if any(not is_stale(trial.user_attrs, now) for trial in running):
        return Ending.RUNNING
    runs = study.user_attrs.get("runs", [])
    last = runs[-1]["ending"] if runs else None
    return Ending(last) if last in list(Ending) else Ending.STOPPED
