"""Locks and the clock of a storage, which all processes that use it share."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator

import sqlalchemy
from filelock import FileLock
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightsearch import credentials
from lightsearch.credentials import redact
from lightsearch.errors import Mistake, StorageFailed, first_line
from lightsearch.storage.retrying import RETRY_SECONDS, RetryingStorage, retry
from lightsearch.storage.urls import sqlite_file

OPEN_SECONDS = 5.0
"""How long to wait for a server that does not answer at the start: most likely its name is wrong."""

CONNECT_SECONDS = 10
"""How long a server may take to answer a connection."""


class LockLost(Exception):
    """The server that kept the lock was restarted, and has released it."""


def check_server(url: str) -> list[Mistake]:
    """Checks whether the storage's server accepts connections; a storage that is a file has no server.

    Returns:
        What is wrong, at most one line. It repeats no password.
    """
    if sqlite_file(url) is not None:
        return []
    try:
        retry(lambda: lock_engine(url).connect().close(), lambda: OPEN_SECONDS)
    except (StorageFailed, SQLAlchemyError) as error:
        return [cannot_be_opened(url, error)]
    return []


def cannot_be_opened(url: str, error: Exception) -> Mistake:
    """The mistake that says why a storage cannot be opened, in one line without passwords."""
    text = error.reason if isinstance(error, StorageFailed) else str(getattr(error, "orig", None) or error)
    reason = first_line(text, empty=type(error).__name__)
    return Mistake("--storage", redact(url), f"cannot be opened: {credentials.without_secrets(reason)}")


@contextlib.contextmanager
def storage_lock(url: str, purpose: str, *, retry_seconds: float = RETRY_SECONDS) -> Iterator[Callable[[], None]]:
    """A lock that one process at a time holds, among all that use this storage.

    It is a file beside the SQLite file, or an advisory lock of the PostgreSQL server. Both are released when the holder
    dies.

    Args:
        url: The storage.
        purpose: Locks for different purposes do not exclude each other.
        retry_seconds: Seconds to wait for a server that does not answer. The wait for the lock itself has no limit.

    Yields:
        A function that raises ``LockLost`` if the lock is no longer held: a server that restarts releases it.
    """
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.{purpose}.lock")):
            yield lambda: None
        return
    key = sqlalchemy.func.hashtextextended(f"lightsearch:{purpose}", 0)

    def acquire() -> sqlalchemy.Connection:
        connection = lock_engine(url).connect()
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(key)))
        return connection

    connection: sqlalchemy.Connection = retry(acquire, lambda: retry_seconds)
    try:

        def check() -> None:
            try:
                connection.execute(sqlalchemy.select(1))
            except DBAPIError as error:
                raise LockLost from error

        yield check
    finally:
        with contextlib.suppress(DBAPIError):  # a server that has stopped has released it
            connection.close()


def study_lock(
    url: str, name: str, *, retry_seconds: float = RETRY_SECONDS
) -> contextlib.AbstractContextManager[Callable[[], None]]:
    """The lock of one study: whoever assigns, records or deletes its trials holds it. See ``storage_lock``."""
    return storage_lock(url, f"study-{name}", retry_seconds=retry_seconds)


@functools.cache
def lock_engine(url: str) -> sqlalchemy.Engine:
    """Connections that hold locks. They are not the storage's own, which last for one request."""
    options = {"connect_timeout": CONNECT_SECONDS}
    return sqlalchemy.create_engine(url, pool_size=2, pool_pre_ping=True, connect_args=options)


def storage_time(storage: RetryingStorage) -> float:
    """Seconds since 1970, by the server's clock if there is a server: leases of several machines need one clock."""
    if storage.engine.dialect.name == "sqlite":
        return time.time()
    query = sqlalchemy.select(sqlalchemy.extract("epoch", sqlalchemy.func.clock_timestamp()))

    def ask() -> float:
        with storage.engine.connect() as connection:
            return float(connection.execute(query).scalar_one())

    return float(retry(ask, lambda: storage.retry_seconds))
