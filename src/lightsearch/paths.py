"""Where a study's files are."""

from __future__ import annotations

import os
from pathlib import Path

from lightsearch.errors import Mistake

STUDIES = Path("studies")
"""Studies live below the folder that the command is started in."""


def study_folder(name: str) -> Path:
    """``studies/<name>``, absolute."""
    return (STUDIES / name).absolute()


def trial_folder(study: Path, number: int) -> Path:
    """``studies/<name>/trial-0007``."""
    return study / f"trial-{number:04d}"


def check_folder(folder: Path, database: Path | None) -> list[Mistake]:
    """What keeps a folder, there or not yet there, from being a study's.

    Args:
        folder: The study's folder.
        database: The storage's file, if it is one; SQLite has further ones beside it.
    """
    files = [database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal")] if database else []
    if folder in files:
        hint = f"{database} is the storage's; use another name"
    elif folder.exists() and not folder.is_dir():
        hint = f"{folder} is a file; use another name"
    elif folder.is_dir() and _is_foreign(folder):
        hint = f"{folder} is a folder of something else; use another name"
    else:
        return check_writable(folder)
    return [Mistake("name", folder.name, hint)]


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
