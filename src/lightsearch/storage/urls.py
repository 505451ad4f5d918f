"""Storage URLs: which storage is meant, and what is wrong with its URL. Nothing connects to it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from lightsearch import credentials
from lightsearch.credentials import redact
from lightsearch.errors import Mistake, UserError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DEFAULT_URL = "sqlite:///studies/studies.db"

URL_VARIABLE = "LIGHTSEARCH_STORAGE"

POSSIBLE = "write sqlite:///path/to/studies.db (one machine) or postgresql://USER@HOST/DATABASE (many)"

ONLY_OPTUNA = {"journal", "redis", "rediss", "grpc", "mysql", "mariadb", "memory"}
"""Schemes of URLs for storages that Optuna supports and lightsearch does not."""


def storage_url(option: str | None) -> str:
    """The storage's URL: the option, else the environment variable, else the embedded SQLite file.

    Raises:
        UserError: if the option holds a password.
    """
    if option is not None and "://" in option and credentials.holds_password(option):
        hint = (
            f"everybody on this machine can read the arguments of a command; put the URL into {URL_VARIABLE}, or the "
            "password into ~/.pgpass"
        )
        raise UserError(Mistake("--storage", redact(option), hint))
    return option or os.environ.get(URL_VARIABLE) or DEFAULT_URL


def study_options(study: str, url: str) -> str:
    """The options of a command that name a study: ``--study``, and ``--storage`` if it is not found without.

    Args:
        study: The study's name, or its file.
        url: The URL of its storage. A password in it is hidden.
    """
    default = storage_url(None)
    found = url == default or (sqlite_file(url) is not None and sqlite_file(url) == sqlite_file(default))
    return f"--study {shlex.quote(study)}" + ("" if found else f" --storage {shlex.quote(redact(url))}")


def check_url(url: str) -> list[Mistake]:
    """What is wrong with a storage URL. The storage is not touched."""
    if not isinstance(url, str):
        return [Mistake("storage", type(url).__name__, f"give a URL, which each worker can open; {POSSIBLE}")]
    credentials.remember(url)
    if credentials.is_ambiguous(url):
        hint = "an @ ends the password: write %40 for one that is a part of it"
        return [Mistake("--storage", redact(url), hint)]
    scheme = url.partition("://")[0].partition("+")[0].lower()
    if scheme in ONLY_OPTUNA:  # the rest of the URL may be a password
        hint = f"Optuna supports this storage; lightsearch does not, because it needs locks in the database; {POSSIBLE}"
        return [Mistake("--storage", f"{scheme}://...", hint)]
    # SQLAlchemy is imported where it is needed: a command only names the storage before it starts the fork server.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

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
    return _check_file(url, sqlite_file(parsed)) if parsed.get_backend_name() == "sqlite" else []


def sqlite_file(url: URL | str) -> Path | None:
    """The absolute path of a SQLite URL's file; None for servers and in-memory databases."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(url)
    except (ArgumentError, ValueError):  # no URL at all
        return None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def _check_file(url: str, file: Path | None) -> list[Mistake]:
    """What is wrong with the file of a SQLite URL."""
    if file is None:
        hint = "names no file, and workers cannot see a database in memory; write sqlite:///path/to/studies.db"
        return [Mistake("--storage", url, hint)]
    if file.is_dir():
        return [Mistake("--storage", url, f"{file} is a folder; name a file in it")]
    parent = next(folder for folder in file.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        return [Mistake("--storage", url, f"{parent} is no folder that can be written to")]
    return []
