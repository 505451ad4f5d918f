"""Files that are written as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
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


def second_name(file: Path, name: Path) -> None:
    """Gives a file a second name in the same file system, or copies it. A file of that name stays as it is.

    Args:
        file: The file. What replaces it later does not change the other.
        name: The second name; its folder is made.

    Raises:
        ResourceUnavailable: if there is no such file, or none can be written.
    """
    if name.exists():
        return
    make_folder(name.parent)
    temporary = name.with_name(f".{name.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(file)
        except OSError:  # a file system without hard links; or there is no such file, and the copy says so
            shutil.copyfile(file, temporary)
        temporary.rename(name)
    except OSError as error:
        raise ResourceUnavailable(f"{file} cannot be kept as {name.name}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """The sha256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
