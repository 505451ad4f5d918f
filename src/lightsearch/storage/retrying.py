"""Optuna's storage, patient: a database that is locked, or a server that is away, is asked again for a while."""

from __future__ import annotations

import functools
import inspect
import pickle
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from lightsearch.compat import studies
from lightsearch.errors import StorageFailed
from lightsearch.machine import descriptors
from lightsearch.storage.row_reads import RowReadingStorage

RETRY_SECONDS = 120.0
"""How long a storage that does not answer is waited for: locked by another program, or restarted."""


class RetryingStorage(RowReadingStorage):
    """Optuna's storage, which does what it is asked again while the database is locked, or its server away.

    Whatever is asked is safe to be asked twice: the one thing that adds up, a new trial, is found by its owner.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.retry_seconds = RETRY_SECONDS
        """Seconds after which to give up."""
        self._asked = threading.local()
        descriptors.guard()
        super().__init__(url, **options)

    def rename_studies(self, names: Mapping[int, str]) -> None:
        """Gives studies other names, by their ids; see ``compat.studies.rename``."""
        retry(lambda: studies.rename(self, names), lambda: self.retry_seconds)

    def forget_params(self, trial_id: int) -> None:
        """Takes a trial's sampled parameters back; see ``compat.studies.forget_params``."""
        retry(lambda: studies.forget_params(self, trial_id), lambda: self.retry_seconds)


def _with_retries(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def ask(self: RetryingStorage, *args: Any, **options: Any) -> Any:
        if getattr(self._asked, "inside", False):  # by another method of the storage, which will try again itself
            return method(self, *args, **options)

        def call() -> Any:
            descriptors.check_guarded()  # else the database would write to what has its file's number now
            return method(self, *args, **options)

        self._asked.inside = True
        try:
            return retry(call, lambda: self.retry_seconds)
        finally:
            self._asked.inside = False

    return ask


def retry(call: Callable[[], Any], seconds: Callable[[], float]) -> Any:
    """What ``call`` returns, asked again as long as the same request may succeed a little later.

    Args:
        call: Asks the database.
        seconds: Seconds after which to give up; looked at anew each time.

    Raises:
        StorageFailed: if it does not succeed. So it is told from errors of databases that a trial has for itself.
    """
    began, pause = time.monotonic(), 0.02
    while True:
        try:
            return call()
        except (optuna.exceptions.StorageInternalError, DBAPIError) as error:
            cause = error if isinstance(error, DBAPIError) else error.__cause__
            if not _passes(cause) or time.monotonic() - began > seconds():
                raise StorageFailed(error) from error
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _passes(error: BaseException | None) -> bool:
    """Whether the same request may succeed a little later."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the upper bits say more than that it is locked
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
    return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated


for _name, _method in vars(RDBStorage).items():
    if inspect.isfunction(_method) and not _name.startswith("__") and _name != "remove_session":
        setattr(RetryingStorage, _name, _with_retries(getattr(RowReadingStorage, _name)))

for _name in ("delete_intermediate_values", "replace_user_attr"):
    setattr(RetryingStorage, _name, _with_retries(getattr(RowReadingStorage, _name)))


class History(NamedTuple):
    """A study's finished trials, as far as workers look at them: reading a long study takes seconds."""

    finished: list[bytes]
    """A pickled FrozenTrial each, without user attributes; with parameters only where workers sample."""
    unfinished: set[int]
    """Ids of the trials that had not ended."""
    last_id: int
    """The highest trial id; whatever is above it is to be read."""


class WorkerStorage(RetryingStorage):
    """Starts from a history that its coordinator had at hand, and reads only what came after it."""

    history: History | None = None

    def _get_trials(
        self, study_id: int, states: Any, included_trial_ids: set[int], trial_id_greater_than: int
    ) -> list[FrozenTrial]:
        history = self.history
        if history is None or states is not None or trial_id_greater_than > -1:
            read: list[FrozenTrial] = super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
            return read
        late = super()._get_trials(study_id, None, history.unfinished, history.last_id)
        known = [pickle.loads(trial) for trial in history.finished]  # from the coordinator, through its pipe
        return sorted([*known, *late], key=lambda trial: trial._trial_id)
