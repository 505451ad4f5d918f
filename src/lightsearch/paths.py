"""Folders of a study and its trials, and checks of them."""

from __future__ import annotations

import os
from pathlib import Path

from lightsearch.errors import Mistake

STUDIES = Path("studies")
"""Parent of the studies' folders, relative to the working directory."""

BEST, LAST, PREVIOUS, PARENT = "best.ckpt", "last.ckpt", "previous.ckpt", "parent.ckpt"
"""Checkpoints of a trial: the best epoch's, the last one, the one before, and that of the trial it begins from."""


def study_folder(name: str) -> Path:
    """The absolute path of ``studies/<name>``."""
    return (STUDIES / name).absolute()


def trial_folder(study: Path, number: int) -> Path:
    """``studies/<name>/trial-0007``."""
    return study / f"trial-{number:04d}"


def check_folder(folder: Path, database: Path | None) -> list[Mistake]:
    """Finds what prevents a folder from being a study's. The folder need not exist.

    Args:
        folder: The study's folder.
        database: The file of an SQLite storage, which has further files beside it. None: another storage.
    """
    files = [database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal")] if database else []
    if folder in files:
        hint = f"{database} is a file of the storage; use another name"
    elif folder.exists() and not folder.is_dir():
        hint = f"{folder} is a file; use another name"
    elif folder.is_dir() and _is_foreign(folder):
        hint = f"{folder} holds other files; use another name"
    else:
        return check_writable(folder)
    return [Mistake("name", folder.name, hint)]


def _is_foreign(folder: Path) -> bool:
    """Whether a folder has content, but no file of a study."""
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    return bool(names) and not any(name.startswith("trial-") or name.endswith((".json", ".html")) for name in names)


def check_writable(folder: Path) -> list[Mistake]:
    """Finds what prevents writing to a folder. The folder need not exist."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    return [Mistake("studies", str(folder), f"{existing} is not writable; start the command in a folder that is")]
