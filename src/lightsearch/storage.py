"""Opens Optuna storages safely: one creates the schema, writers wait for each other, credentials stay unseen."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from lightsearch.errors import Mistake, UserError

DEFAULT_URL = "sqlite:///studies/studies.db"
URL_VARIABLE = "LIGHTSEARCH_STORAGE"
BUSY_SECONDS = 120
"""How long a writer waits for another program that holds the SQLite lock."""


def storage_url(option: str | None) -> str:
    """The storage's URL: the option, else the environment's, else the embedded SQLite file."""
    return option or os.environ.get(URL_VARIABLE) or DEFAULT_URL


def redact(url: str) -> str:
    """The URL without its password, for people's eyes."""
    return make_url(url).render_as_string(hide_password=True)


def check_url(url: str) -> list[Mistake]:
    """What is wrong with a storage URL, found without touching the storage."""
    try:
        parsed = make_url(url)
        driver = parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # The text may hold a password, so it is not repeated.
        return [
            Mistake("--storage", "...", "is no storage URL; write sqlite:///path/to/studies.db or postgresql://...")
        ]
    except ImportError as error:
        return [Mistake("--storage", redact(url), f"needs a driver that is not installed: pip install {error.name}")]
    del driver
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        return [Mistake("--storage", redact(url), "use sqlite or postgresql")]
    file = sqlite_file(parsed)
    if parsed.get_backend_name() == "sqlite":
        if file is None:
            return [Mistake("--storage", url, "names no file; write sqlite:///path/to/studies.db")]
        if file.is_dir():
            return [Mistake("--storage", url, f"{file} is a folder; name a file in it")]
        there = next(folder for folder in file.parents if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            return [Mistake("--storage", url, f"{there} is no folder that can be written to")]
    return []


def sqlite_file(url: URL | str) -> Path | None:
    """The absolute path of a SQLite URL's file; None for servers and in-memory databases."""
    url = make_url(url)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def open_storage(url: str, *, create: bool = True) -> RDBStorage:
    """Opens the storage, creating it if it is not there.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        create: Whether to create a SQLite file that is not there.

    Raises:
        UserError: if it cannot be opened, or is not there and not to be created.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists() and not create:
        raise UserError(
            Mistake("--storage", redact(url), "no such file; run a search first, or name the right storage")
        )
    try:
        with storage_lock(url, "schema"):
            if file is not None:
                with contextlib.closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
                    # Readers (a dashboard) and a writer do not block each other. The file keeps the mode.
                    connection.execute("PRAGMA journal_mode=WAL")
            return _connect(url)
    except (SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(Mistake("--storage", redact(url), f"cannot be opened: {reason}")) from error


def attach_storage(url: str) -> RDBStorage:
    """Opens a storage that is known to be there and in order: what a worker does, in milliseconds."""
    return _connect(url, skip_compatibility_check=True, skip_table_creation=True)


def _connect(url: str, **options: Any) -> RDBStorage:
    file = sqlite_file(url)
    if file is None:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True}, **options)
    storage = RDBStorage(f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}}, **options)

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # Safe in WAL mode: a power cut can lose the last commits, never the file. A commit then needs no fsync.
        connection.execute("PRAGMA synchronous=NORMAL")

    # The connections that the constructor opened do not have the pragma.
    storage.remove_session()
    storage.engine.dispose()
    return storage


@contextlib.contextmanager
def storage_lock(url: str, purpose: str) -> Iterator[None]:
    """Held by one process at a time among all that use this storage.

    A file beside the SQLite file, or an advisory lock of the PostgreSQL server; both are free again when a holder dies.

    Args:
        url: The storage.
        purpose: Locks for different purposes do not exclude each other.
    """
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.{purpose}.lock")):
            yield
        return
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        key = sqlalchemy.func.hashtextextended(f"lightsearch:{purpose}", 0)
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(key)))
        yield


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
