"""Opens Optuna storages safely: one creates the schema, writers wait for each other, credentials stay unseen."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from filelock import FileLock
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from lightsearch import credentials
from lightsearch.credentials import redact as redact
from lightsearch.errors import Mistake, StorageFailed, UserError
from lightsearch.patience import PATIENCE_SECONDS, History, PatientStorage, WorkerStorage, try_again

DEFAULT_URL = "sqlite:///studies/studies.db"
URL_VARIABLE = "LIGHTSEARCH_STORAGE"
BUSY_SECONDS = 1.0
"""How long SQLite itself waits for a lock, deaf to signals; then it is tried again."""
OPEN_SECONDS = 5.0
"""How long a server that is not there is waited for at first: most likely its name is wrong."""
CONNECT_SECONDS = 10
"""How long a server may take to answer a connection."""


POSSIBLE = "write sqlite:///path/to/studies.db (one machine) or postgresql://USER@HOST/DATABASE (many)"
OPTUNAS = {"journal", "redis", "rediss", "grpc", "mysql", "mariadb", "memory"}
"""What a URL of a storage begins with that Optuna has and lightsearch has not."""

Storage = TypeVar("Storage", bound="PatientStorage")


class LockLost(Exception):
    """The server that kept a lock has let it go: it was restarted."""


def storage_url(option: str | None) -> str:
    """The storage's URL: the option, else the environment's, else the embedded SQLite file.

    Raises:
        UserError: if the option holds a password.
    """
    if option is not None and "://" in option and credentials.holds_password(option):
        mend = f"a command's words can be read by everybody on its machine; put the URL into {URL_VARIABLE}, or the "
        raise UserError(Mistake("--storage", redact(option), mend + "password into ~/.pgpass"))
    return option or os.environ.get(URL_VARIABLE) or DEFAULT_URL


def check_url(url: str) -> list[Mistake]:
    """What is wrong with a storage URL, found without touching the storage."""
    if not isinstance(url, str):
        return [Mistake("storage", type(url).__name__, f"give a URL, which each worker can open; {POSSIBLE}")]
    credentials.remember(url)
    if credentials.is_ambiguous(url):
        mend = "an @ ends the password: write %40 for one that is a part of it"
        return [Mistake("--storage", redact(url), mend)]
    kind = url.partition("://")[0].partition("+")[0].lower()
    if kind in OPTUNAS:  # whatever else it says, which may be a password
        mend = f"Optuna has such a storage, but not the locks by which lightsearch shares a study; {POSSIBLE}"
        return [Mistake("--storage", f"{kind}://...", mend)]
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            return [Mistake("--storage", f"{parsed.get_backend_name()}://...", POSSIBLE)]
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # The text may hold a password, so it is not repeated.
        return [Mistake("--storage", "...", f"is no storage URL; {POSSIBLE}")]
    except ImportError as error:
        package = error.name or parsed.get_driver_name()
        package = f'"{package}[binary]"' if package == "psycopg" else package
        return [Mistake("--storage", redact(url), f"needs a driver that is not installed: pip install {package}")]
    file = sqlite_file(parsed)
    if parsed.get_backend_name() == "sqlite":
        if file is None:
            mend = "names no file, and what is in memory no worker sees; write sqlite:///path/to/studies.db"
            return [Mistake("--storage", url, mend)]
        if file.is_dir():
            return [Mistake("--storage", url, f"{file} is a folder; name a file in it")]
        there = next(folder for folder in file.parents if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            return [Mistake("--storage", url, f"{there} is no folder that can be written to")]
    return []


def check_server(url: str) -> list[Mistake]:
    """What keeps a server from being reached; nothing is asked of it. There is none where the storage is a file."""
    if sqlite_file(url) is not None:
        return []
    try:
        try_again(lambda: _lock_engine(url).connect().close(), lambda: OPEN_SECONDS)
    except (StorageFailed, SQLAlchemyError) as error:
        return [_cannot_be_opened(url, error)]
    return []


def sqlite_file(url: URL | str) -> Path | None:
    """The absolute path of a SQLite URL's file; None for servers and in-memory databases."""
    try:
        url = make_url(url)
    except (ArgumentError, ValueError):  # no URL at all
        return None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def open_storage(url: str, *, create: bool = True) -> PatientStorage:
    """Opens the storage, creating it if it is not there.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        create: Whether to create a SQLite file that is not there.

    Raises:
        UserError: if it cannot be opened, or is not there and not to be created.
    """
    if mistakes := check_url(url):
        raise UserError(*mistakes)
    file = sqlite_file(url)
    if file is not None and not file.exists() and not create:
        raise UserError(
            Mistake("--storage", redact(url), "no such file; run a search first, or name the right storage")
        )
    try:
        with storage_lock(url, "schema", patience=OPEN_SECONDS):
            if file is not None:
                with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE_SECONDS)) as connection:
                    # Readers (a dashboard) and a writer do not block each other. The file keeps the mode.
                    connection.execute("PRAGMA journal_mode=WAL")
            return _connect(url, PatientStorage)
    except (StorageFailed, SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
        raise UserError(_cannot_be_opened(url, error)) from error


def _cannot_be_opened(url: str, error: Exception) -> Mistake:
    said = error.reason if isinstance(error, StorageFailed) else str(getattr(error, "orig", None) or error)
    reason = (said.strip().splitlines() or [type(error).__name__])[0]
    return Mistake("--storage", redact(url), f"cannot be opened: {credentials.without_secrets(reason)}")


def attach_storage(url: str, history: History | None = None) -> WorkerStorage:
    """Opens a storage that is known to be there and in order: what a worker does, in milliseconds."""
    storage = _connect(url, WorkerStorage, skip_compatibility_check=True, skip_table_creation=True)
    storage.history = history
    return storage


def _connect(url: str, kind: type[Storage], **options: Any) -> Storage:
    """A storage of some kind. Its constructor asks the database as well, and waits for it as what comes later does."""
    credentials.remember(url)
    file = sqlite_file(url)
    engine: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    if file is None:
        engine = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
    address = url.replace("{", "{{").replace("}", "}}") if file is None else f"sqlite:///{file}"
    storage: Storage = try_again(lambda: kind(address, engine_kwargs=engine, **options), lambda: PATIENCE_SECONDS)
    if file is None:
        return storage

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # Safe in WAL mode: a power cut can lose the last commits, never the file. A commit then needs no fsync.
        connection.execute("PRAGMA synchronous=NORMAL")

    # The connections that the constructor opened do not have the pragma.
    storage.remove_session()
    storage.engine.dispose()
    return storage


@contextlib.contextmanager
def storage_lock(url: str, purpose: str, *, patience: float = PATIENCE_SECONDS) -> Iterator[Callable[[], None]]:
    """Held by one process at a time among all that use this storage.

    A file beside the SQLite file, or an advisory lock of the PostgreSQL server; both are free again when a holder dies.

    Args:
        url: The storage.
        purpose: Locks for different purposes do not exclude each other.
        patience: Seconds to wait for a server that does not answer; who holds the lock is waited for without end.

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

    connection: sqlalchemy.Connection = try_again(acquire, lambda: patience)
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


def storage_time(storage: PatientStorage) -> float:
    """Seconds since 1970, by the server's clock where there is one: leases of several machines need one clock."""
    if storage.engine.dialect.name == "sqlite":
        return time.time()
    question = sqlalchemy.select(sqlalchemy.extract("epoch", sqlalchemy.func.clock_timestamp()))

    def ask() -> float:
        with storage.engine.connect() as connection:
            return float(connection.execute(question).scalar_one())

    return float(try_again(ask, lambda: storage.patience))


def preload() -> None:
    """Does once what every worker does with a storage, so that what is imported and set up on the way is there."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/preload.db"
        study = optuna.create_study(storage=open_storage(url), study_name="preload")
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        storage = attach_storage(url)
        attached = optuna.Trial(optuna.load_study(storage=storage, study_name="preload"), trial._trial_id)
        attached.report(0.0, step=0)
        attached.should_prune()
        study.tell(trial, 0.0)
        for opened in (study._storage, storage):
            opened.remove_session()
        storage.engine.dispose()
    optuna.logging.set_verbosity(verbosity)
