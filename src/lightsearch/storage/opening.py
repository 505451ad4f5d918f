"""Opens Optuna storages safely: one process creates the tables, writers wait for each other."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from typing import Any, TypeVar

import optuna
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from lightsearch import credentials
from lightsearch.compat.optuna_trials import trial_id_of
from lightsearch.credentials import redact
from lightsearch.errors import Mistake, StorageFailed, UserError
from lightsearch.storage.locks import CONNECT_SECONDS, OPEN_SECONDS, cannot_be_opened, storage_lock
from lightsearch.storage.retrying import RETRY_SECONDS, RetryingStorage, retry
from lightsearch.storage.urls import check_url, sqlite_file
from lightsearch.storage.worker_storage import History, WorkerStorage

BUSY_SECONDS = 1.0
"""How long SQLite itself waits for a lock. It ignores signals meanwhile, so the rest of the waiting is retries."""

UNCHECKED = {"skip_compatibility_check": True, "skip_table_creation": True}

Storage = TypeVar("Storage", bound=RetryingStorage)


def open_storage(url: str, *, create: bool = True) -> RetryingStorage:
    """Opens the storage, and creates it if it does not exist.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        create: Whether to create a SQLite file that does not exist.

    Raises:
        UserError: if it cannot be opened, or does not exist and is not to be created.
    """
    if mistakes := check_url(url):
        raise UserError(*mistakes)
    file = sqlite_file(url)
    if file is not None and not file.exists() and not create:
        raise UserError(
            Mistake("--storage", redact(url), "no such file; run a search first, or name the right storage")
        )
    try:
        with storage_lock(url, "schema", retry_seconds=OPEN_SECONDS):
            if file is not None:
                with contextlib.closing(sqlite3.connect(file, timeout=RETRY_SECONDS)) as connection:
                    # Readers (a dashboard) and a writer do not block each other. The file keeps the mode.
                    connection.execute("PRAGMA journal_mode=WAL")
            return _connect(url, RetryingStorage)
    except (StorageFailed, SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
        raise UserError(cannot_be_opened(url, error)) from error


def reopen_storage(url: str) -> RetryingStorage:
    """Opens a storage that has been opened before, to read: without locks and checks, and without their imports.

    Args:
        url: SQLAlchemy URL of the storage.
    """
    return _connect(url, RetryingStorage, **UNCHECKED)


def attach_storage(url: str, history: History | None = None) -> WorkerStorage:
    """Opens a storage that a coordinator has opened before, as workers do: in milliseconds, without checks.

    Args:
        url: SQLAlchemy URL of the storage.
        history: The finished trials of the only study that is read; None: they are read from the storage.
    """
    storage = _connect(url, WorkerStorage, **UNCHECKED)
    storage.history = history
    return storage


def _connect(url: str, storage_class: type[Storage], **options: Any) -> Storage:
    """A storage of the given class. The requests that its constructor sends are retried as well."""
    credentials.remember(url)
    file = sqlite_file(url)
    engine: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    if file is None:
        engine = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
    address = url.replace("{", "{{").replace("}", "}}") if file is None else f"sqlite:///{file}"
    storage: Storage = retry(lambda: storage_class(address, engine_kwargs=engine, **options), lambda: RETRY_SECONDS)
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


def preload() -> None:
    """Uses a small storage as every worker does, so that everything that this imports and sets up is in memory."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/preload.db"
        opened = open_storage(url)
        study = optuna.create_study(storage=opened, study_name="preload")
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        attached = attach_storage(url)
        same_trial = optuna.Trial(optuna.load_study(storage=attached, study_name="preload"), trial_id_of(trial))
        same_trial.report(0.0, step=0)
        same_trial.should_prune()
        study.tell(trial, 0.0)
        opened.remove_session()
        attached.remove_session()
        attached.engine.dispose()
    optuna.logging.set_verbosity(verbosity)
