"""Requests of users to running searches: to stop, or to end a trial. They are kept with the study, in one row.

A request to stop has a time on the storage's clock: a search that begins later ignores it. A trial that is to end is
named by its number, which no other trial of the study ever has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from optuna.trial import TrialState

from lightsearch.storage.locks import storage_time
from lightsearch.storage.retrying import RetryingStorage

KEY = "lightsearch:requests"
"""The study's system attribute with the requests."""


class Requests(NamedTuple):
    """What users ask of the searches on a study."""

    stopped_at: float = 0.0
    """When searches were last asked to stop, in seconds since 1970 on the storage's clock; 0: never."""
    trials: frozenset[int] = frozenset()
    """Numbers of the trials that are to end."""


def read_requests(storage: RetryingStorage, study_id: int) -> Requests:
    """Reads the requests to the searches on a study: one row."""
    stored = storage.read_study_system_attr(study_id, KEY) or {}
    return Requests(float(stored.get("stopped_at", 0.0)), frozenset(stored.get("trials", [])))


def ask_to_stop(storage: RetryingStorage, study_id: int) -> None:
    """Asks all searches that run on a study to stop. The caller holds the study's lock."""
    _write(storage, study_id, read_requests(storage, study_id)._replace(stopped_at=storage_time(storage)))


def ask_to_end(storage: RetryingStorage, study_id: int, number: int) -> None:
    """Asks for the end of a running trial. The caller holds the study's lock."""
    before = read_requests(storage, study_id)
    unfinished = (TrialState.RUNNING, TrialState.WAITING)
    alive = {trial.number for trial in storage.get_all_trials(study_id, deepcopy=False, states=unfinished)}
    _write(storage, study_id, before._replace(trials=(before.trials & alive) | {number}))


def _write(storage: RetryingStorage, study_id: int, requests: Requests) -> None:
    value: dict[str, Any] = {"stopped_at": requests.stopped_at, "trials": sorted(requests.trials)}
    storage.set_study_system_attr(study_id, KEY, value)
