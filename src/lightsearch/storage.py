"""Opens Optuna storages safely: one creates the schema, writers wait for each other, credentials stay unseen."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import pickle
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from lightsearch.errors import Mistake, UserError

DEFAULT_URL = "sqlite:///studies/studies.db"
URL_VARIABLE = "LIGHTSEARCH_STORAGE"
PATIENCE_SECONDS = 120.0
"""How long a storage that does not answer is waited for: locked by another program, or restarted."""
BUSY_SECONDS = 1.0
"""How long SQLite itself waits for a lock, deaf to signals; then it is tried again."""
OPEN_SECONDS = 5.0
"""How long a server that is not there is waited for at first: most likely its name is wrong."""
CONNECT_SECONDS = 10
"""How long a server may take to answer a connection."""


Storage = TypeVar("Storage", bound="PatientStorage")


class LockLost(Exception):
    """The server that kept a lock has let it go: it was restarted."""


class PatientStorage(RDBStorage):
    """Optuna's storage, which does what it is asked again while the database is locked, or its server away.

    Whatever is asked is safe to be asked twice: the one thing that adds up, a new trial, is found by its owner.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.patience = PATIENCE_SECONDS
        """Seconds after which to give up."""
        self._asked = threading.local()
        super().__init__(url, **options)


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def ask(self: PatientStorage, *args: Any, **options: Any) -> Any:
        if getattr(self._asked, "inside", False):  # by another method of the storage, which will try again itself
            return method(self, *args, **options)
        self._asked.inside = True
        try:
            return _try_again(lambda: method(self, *args, **options), lambda: self.patience)
        finally:
            self._asked.inside = False

    return ask


def _try_again(call: Callable[[], Any], patience: Callable[[], float]) -> Any:
    began, pause = time.monotonic(), 0.02
    while True:
        try:
            return call()
        except (optuna.exceptions.StorageInternalError, DBAPIError) as error:
            cause = error if isinstance(error, DBAPIError) else error.__cause__
            if not _passes(cause) or time.monotonic() - began > patience():
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _passes(error: BaseException | None) -> bool:
    """Whether the same request may succeed a little later."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the upper bits say more than that it is locked
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated


for _name, _method in vars(RDBStorage).items():
    if inspect.isfunction(_method) and not _name.startswith("__") and _name != "remove_session":
        setattr(PatientStorage, _name, _patient(_method))


def storage_url(option: str | None) -> str:
    """The storage's URL: the option, else the environment's, else the embedded SQLite file.

    Raises:
        UserError: if the option holds a password.
    """
    if option is not None and redact(option) != _rendered(option):
        mend = f"a command's words can be read by everybody on its machine; put the URL into {URL_VARIABLE}, or the "
        raise UserError(Mistake("--storage", redact(option), mend + "password into ~/.pgpass"))
    return option or os.environ.get(URL_VARIABLE) or DEFAULT_URL


def redact(url: str) -> str:
    """The URL without its passwords, for people's eyes."""
    return _rendered(url, hide_password=True)


def _rendered(url: str, *, hide_password: bool = False) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "..."  # it may hold a password, wherever that is
    if hide_password:
        secret = {name: "***" for name in parsed.query if "password" in name.lower()}
        parsed = parsed.update_query_dict(secret)
    return parsed.render_as_string(hide_password=hide_password)


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


def open_storage(url: str, *, create: bool = True) -> PatientStorage:
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
        with storage_lock(url, "schema", patience=OPEN_SECONDS):
            if file is None:
                return _connect(url, PatientStorage)
            with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE_SECONDS)) as connection:
                # Readers (a dashboard) and a writer do not block each other. The file keeps the mode.
                connection.execute("PRAGMA journal_mode=WAL")
            opened: PatientStorage = _try_again(lambda: _connect(url, PatientStorage), lambda: PATIENCE_SECONDS)
            return opened
    except (SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(Mistake("--storage", redact(url), f"cannot be opened: {reason}")) from error


def attach_storage(url: str, history: History | None = None) -> WorkerStorage:
    """Opens a storage that is known to be there and in order: what a worker does, in milliseconds."""
    storage = _connect(url, WorkerStorage, skip_compatibility_check=True, skip_table_creation=True)
    storage.history = history
    return storage


def _connect(url: str, kind: type[Storage], **options: Any) -> Storage:
    file = sqlite_file(url)
    if file is None:
        engine = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
        return kind(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=engine, **options)
    storage = kind(f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}}, **options)

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # Safe in WAL mode: a power cut can lose the last commits, never the file. A commit then needs no fsync.
        connection.execute("PRAGMA synchronous=NORMAL")

    # The connections that the constructor opened do not have the pragma.
    storage.remove_session()
    storage.engine.dispose()
    return storage


class History(NamedTuple):
    """A study's finished trials, as far as pruners look at them, for workers: reading a long study takes seconds."""

    finished: list[bytes]
    """A pickled FrozenTrial each, without parameters and user attributes."""
    unfinished: set[int]
    """Ids of the trials that had not ended."""
    last_id: int
    """The highest trial id; whatever is above it is to be read."""


class WorkerStorage(PatientStorage):
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

    connection: sqlalchemy.Connection = _try_again(acquire, lambda: patience)
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

    return float(_try_again(ask, lambda: storage.patience))


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
