"""The result of a study that is in the storage, whoever searched or searches."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from lightsearch.coordinator.ending import Ending
from lightsearch.coordinator.request import SearchRequest
from lightsearch.coordinator.results import summarise
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.early_start import may_be_finished
from lightsearch.paths import study_folder
from lightsearch.storage.locks import storage_time
from lightsearch.storage.opening import open_storage, reopen_storage
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.budget import Budget
from lightsearch.study.leases import is_stale
from lightsearch.study.opening import is_unchanged
from lightsearch.study.provenance import is_unchanged_source
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
    return _result(study, declaration_of(study), _ending(study, storage), data_dir)


def finished_result(request: SearchRequest, study_file: StudyFile) -> SearchResult | None:
    """The result of a study that a search would find done, without torch and without another process.

    Nothing is written. The files of the data are not looked at, since nothing is trained. On PostgreSQL there is no
    such answer: a look at a database without Optuna's tables would make them.

    Args:
        request: A checked request.
        study_file: Its study.

    Returns:
        None: the search has something to do. That may be to show or to refuse what has changed in the study file or in
        the source code, or to take over what a killed search has left.
    """
    if not may_be_finished(request.url, study_file.name, request.n_trials, request.epochs) or request.artifacts:
        return None
    storage = reopen_storage(request.url)
    study = optuna.load_study(study_name=study_file.name, storage=storage)
    trials = study.get_trials(deepcopy=False)
    if not is_unchanged(study, study_file) or not Budget(request.n_trials, request.epochs).is_spent(trials):
        return None
    if not is_unchanged_source(study.user_attrs.get("noticed", {}).get("sources", {})):
        return None
    was_done = [run["ending"] for run in study.user_attrs.get("runs", [])][-1:] == [Ending.DONE]
    in_order = (study_folder(study_file.name) / "results.json").exists()
    if not was_done or not in_order or any(trial.state is TrialState.RUNNING for trial in trials):
        return None
    return _result(study, study_file, Ending.DONE, request.data_dir)


def _result(study: optuna.Study, study_file: StudyFile, ending: Ending, data_dir: str | None) -> SearchResult:
    return SearchResult(
        ending=ending,
        results=summarise(study.get_trials(deepcopy=False), study.user_attrs, study.study_name),
        study=study,
        folder=study_folder(study.study_name),
        failure=None,
        unavailable=None,
        signal=None,
        study_file=study_file,
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
