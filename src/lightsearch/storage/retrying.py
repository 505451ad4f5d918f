"""Optuna's storage with retries: a request to a locked database or an absent server is repeated for a while."""

from __future__ import annotations

import functools
import inspect
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from lightsearch.compat.optuna_tables import DatabaseStorage
from lightsearch.errors import StorageFailed
from lightsearch.machine import descriptors
from lightsearch.storage.corrections import CorrectingStorage
from lightsearch.storage.row_reads import RowReadingStorage

RETRY_SECONDS = 120.0
"""How long to retry a storage that does not answer: another program locks it, or its server restarts."""


class RetryingStorage(CorrectingStorage):
    """Optuna's storage, which repeats a request while the database is locked or its server is away.

    Every request can safely be repeated. Only a new trial would be added twice; it is then found by its owner.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.retry_seconds = RETRY_SECONDS
        """Seconds after which to give up."""
        self._request = threading.local()
        descriptors.guard()
        super().__init__(url, **options)


def retry(call: Callable[[], Any], seconds: Callable[[], float]) -> Any:
    """Calls a function until the database answers, and returns the answer.

    Args:
        call: Sends a request to the database.
        seconds: Seconds after which to give up; asked before each repetition.

    Raises:
        StorageFailed: if the database does not answer in time, or the error is permanent. A class of its own, so that
            it differs from errors of databases that a trial uses itself.
    """
    began, pause = time.monotonic(), 0.02
    while True:
        try:
            return call()
        except (optuna.exceptions.StorageInternalError, DBAPIError) as error:
            cause = error if isinstance(error, DBAPIError) else error.__cause__
            if not _is_transient(cause) or time.monotonic() - began > seconds():
                raise StorageFailed(error) from error
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _is_transient(error: BaseException | None) -> bool:
    """Whether the same request may succeed a little later."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the upper bits give details
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
    return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated


def _with_retries(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def request(self: RetryingStorage, *args: Any, **options: Any) -> Any:
        if getattr(self._request, "is_retried", False):  # another method of the storage calls, and retries itself
            return method(self, *args, **options)

        def call() -> Any:
            # A file descriptor of the database that was closed may belong to another file by now.
            descriptors.check_guarded()
            return method(self, *args, **options)

        self._request.is_retried = True
        try:
            return retry(call, lambda: self.retry_seconds)
        finally:
            self._request.is_retried = False

    return request


# Every method, private ones too: the cache that Optuna puts around a storage calls them.
for _class in (RDBStorage, DatabaseStorage, RowReadingStorage, CorrectingStorage):
    for _name, _method in vars(_class).items():
        if inspect.isfunction(_method) and not _name.startswith("__") and _name != "remove_session":
            setattr(RetryingStorage, _name, _with_retries(getattr(CorrectingStorage, _name)))
