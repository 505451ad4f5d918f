"""Locks and the clock of a storage, shared by all processes that use it."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator

import sqlalchemy
from filelock import FileLock
from sqlalchemy.exc import (
    DBAPIError,
    SQLAlchemyError,
)

from lightsearch import credentials
from lightsearch.credentials import redact as redact
from lightsearch.errors import Mistake, StorageFailed
from lightsearch.storage.retrying import RETRY_SECONDS, RetryingStorage, retry
from lightsearch.storage.urls import sqlite_file

OPEN_SECONDS = 5.0
"""How long a server that is not there is waited for at first: most likely its name is wrong."""

CONNECT_SECONDS = 10
"""How long a server may take to answer a connection."""


class LockLost(Exception):
    """The server that kept a lock has let it go: it was restarted."""


def check_server(url: str) -> list[Mistake]:
    """What keeps a server from being reached; nothing is asked of it. There is none where the storage is a file."""
    if sqlite_file(url) is not None:
        return []
    try:
        retry(lambda: _lock_engine(url).connect().close(), lambda: OPEN_SECONDS)
    except (StorageFailed, SQLAlchemyError) as error:
        return [cannot_be_opened(url, error)]
    return []


def cannot_be_opened(url: str, error: Exception) -> Mistake:
    said = error.reason if isinstance(error, StorageFailed) else str(getattr(error, "orig", None) or error)
    reason = (said.strip().splitlines() or [type(error).__name__])[0]
    return Mistake("--storage", redact(url), f"cannot be opened: {credentials.without_secrets(reason)}")


@contextlib.contextmanager
def storage_lock(url: str, purpose: str, *, retry_seconds: float = RETRY_SECONDS) -> Iterator[Callable[[], None]]:
    """Held by one process at a time among all that use this storage.

    A file beside the SQLite file, or an advisory lock of the PostgreSQL server; both are free again when a holder dies.

    Args:
        url: The storage.
        purpose: Locks for different purposes do not exclude each other.
        retry_seconds: Seconds to wait for a server that does not answer; who holds the lock is waited for without end.

    Yields:
        What raises ``LockLost`` if the lock is no longer held: a server that is restarted forgets it.
    """
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.{purpose}.lock")):
            yield lambda: None
        return
    key = sqlalchemy.func.hashtextextended(f"lightsearch:{purpose}", 0)

    def acquire() -> sqlalchemy.Connection:
        connection = _lock_engine(url).connect()
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
        with contextlib.suppress(DBAPIError):  # a server that is gone has let it go already
            connection.close()


@functools.cache
def _lock_engine(url: str) -> sqlalchemy.Engine:
    """Connections that hold locks; apart from the storage's own, which come and go with what is asked."""
    options = {"connect_timeout": CONNECT_SECONDS}
    return sqlalchemy.create_engine(url, pool_size=2, pool_pre_ping=True, connect_args=options)


def storage_time(storage: RetryingStorage) -> float:
    """Seconds since 1970, by the server's clock where there is one: leases of several machines need one clock."""
    if storage.engine.dialect.name == "sqlite":
        return time.time()
    question = sqlalchemy.select(sqlalchemy.extract("epoch", sqlalchemy.func.clock_timestamp()))

    def ask() -> float:
        with storage.engine.connect() as connection:
            return float(connection.execute(question).scalar_one())

    return float(retry(ask, lambda: storage.retry_seconds))
