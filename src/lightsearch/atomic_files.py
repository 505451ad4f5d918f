"""Files that are written as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from lightsearch.errors import ResourceUnavailable


def write_json(path: Path, content: Any) -> None:
    """Writes ``content`` as JSON, atomically.

    Raises:
        ResourceUnavailable: if it cannot be written.
        ValueError: if it holds a NaN or an infinity.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` in UTF-8, atomically.

    Raises:
        ResourceUnavailable: if it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes ``content`` atomically: a reader sees the old file or the new one, never a part.

    Raises:
        ResourceUnavailable: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    make_folder(path.parent)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise ResourceUnavailable(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder and its parents, if they do not exist.

    Raises:
        ResourceUnavailable: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceUnavailable(f"{path} cannot be made: {error.strerror or error}") from error


def file_digest(path: Path) -> str:
    """The sha256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
