"""Where a study's files are, and how they are written: whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from lightsearch.errors import Blocked, Mistake

STUDIES = Path("studies")
"""Studies live below the folder that the command is started in."""


def study_folder(name: str) -> Path:
    """``studies/<name>``, absolute."""
    return (STUDIES / name).absolute()


def trial_folder(study: Path, number: int) -> Path:
    """``studies/<name>/trial-0007``."""
    return study / f"trial-{number:04d}"


def write_json(path: Path, content: Any) -> None:
    """Writes ``content`` as JSON so that a reader sees the old file or the new one, never a part of one."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` so that a reader sees the old file or the new one, never a part of one.

    Raises:
        Blocked: if it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes ``content`` so that a reader sees the old file or the new one, never a part of one.

    Raises:
        Blocked: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    make_folder(path.parent)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise Blocked(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, if they are not there.

    Raises:
        Blocked: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Blocked(f"{path} cannot be made: {error.strerror or error}") from error


def check_folder(folder: Path, database: Path | None) -> list[Mistake]:
    """What keeps a folder, there or not yet there, from being a study's.

    Args:
        folder: The study's folder.
        database: The storage's file, if it is one; SQLite has further ones beside it.
    """
    files = [database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal")] if database else []
    if folder in files:
        mend = f"{database} is the storage's; use another name"
    elif folder.exists() and not folder.is_dir():
        mend = f"{folder} is a file; use another name"
    elif folder.is_dir() and _is_foreign(folder):
        mend = f"{folder} is a folder of something else; use another name"
    else:
        return check_writable(folder)
    return [Mistake("name", folder.name, mend)]


def _is_foreign(folder: Path) -> bool:
    """Whether a folder holds something, and nothing of a study's."""
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    return bool(names) and not any(name.startswith("trial-") or name.endswith((".json", ".html")) for name in names)


def check_writable(folder: Path) -> list[Mistake]:
    """What keeps a folder, there or not yet there, from being written to."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return []
    return [Mistake("studies", str(folder), f"{there} cannot be written to; start the command in a folder that can")]


def file_digest(path: Path) -> str:
    """A file's sha256 digest, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
