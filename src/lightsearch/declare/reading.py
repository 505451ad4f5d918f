"""Reads a study file and its overrides (``--set``), as plain values."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsearch.errors import Mistake, UserError

MOST_BYTES = 1_000_000
"""A study file is text that somebody writes; what is larger is something else."""

DEEPEST = 32
"""How deep tables and lists may lie within one another."""

TOO_DEEP = f"tables or lists lie more than {DEEPEST} deep within one another; write it flatter"


def read_declaration(path: Path, overrides: list[str]) -> dict[str, Any]:
    """The study file as it is written, with ``key=value`` overrides laid over it.

    Args:
        path: The TOML file, in UTF-8 (with or without a byte order mark).
        overrides: ``key=value``, keys dotted as in TOML, values as in TOML; a bare word is a string.

    Raises:
        UserError: if the file cannot be read or is no TOML, or an override has no ``=``.
    """
    declared = _parsed(path, _text(path))
    mistakes = []
    for override in overrides:
        key, equals, text = override.partition("=")
        try:
            if not equals:
                raise ValueError
            _override(declared, key.strip(), text.strip())
        except (ValueError, RecursionError):
            mistakes.append(Mistake("--set", override, "write key=value, as in trainer.max_epochs=10"))
    mistakes += check_declaration(declared)
    if mistakes:
        raise UserError(*mistakes)
    return declared


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UserError(Mistake("--study", str(path), "is no file; name a study file (studies/NAME.toml)"))
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            hint = f"is larger than {MOST_BYTES:,} bytes, and so no study file; name one"
            raise UserError(Mistake("--study", str(path), hint))
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        there = ", ".join(sorted(str(file) for file in path.parent.glob("*.toml"))) or "none in that folder"
        raise UserError(Mistake("--study", str(path), f"no such file; study files there: {there}")) from None
    except (OSError, ValueError) as error:  # what is no UTF-8 is a ValueError, and a path with a NUL
        raise UserError(Mistake("--study", str(path), f"cannot be read: {error}")) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UserError(Mistake("--study", str(path), TOO_DEEP)) from None
    except ValueError as error:  # TOMLDecodeError is one, and a number of thousands of digits
        raise UserError(Mistake("--study", str(path), f"is no valid TOML: {error}")) from None


def check_declaration(declared: Mapping[str, Any]) -> list[Mistake]:
    """What no declaration from outside may hold: bottomless tables, keys that are no names, pickles."""
    name, keys = str(declared.get("name")), []
    level: list[Any] = [declared]
    for _ in range(DEEPEST + 1):  # level by level, since recursion would end at the same depth as the reader's
        keys += [key for outer in level if isinstance(outer, Mapping) for key in outer if not isinstance(key, str)]
        inner = (part for outer in level for part in (outer.values() if isinstance(outer, Mapping) else outer))
        level = [part for part in inner if isinstance(part, dict | list)]
    mistakes = [Mistake("the study", name, TOO_DEEP)] if level else []
    mistakes += [Mistake("the study", key, "is a key that is no name; write a string") for key in keys]
    sections: dict[str, Any] = {"": declared, **{key: declared.get(key) for key in ("data", "model", "logger")}}
    for place, section in sections.items():
        if isinstance(section, Mapping) and "given" in section:  # only what is made of a class here holds a pickle
            mistakes.append(Mistake(f"{place}.given".lstrip("."), section["given"], "unknown key; take it out"))
    return mistakes


def classes_beside(path: Path) -> None:
    """Lets a study file name classes of Python files that lie next to it; whatever else is importable comes before."""
    folder = str(path.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)


def modules_of(declared: dict[str, Any]) -> list[str]:
    """The modules whose classes, or function, a study file names, as far as it is in order."""
    sections = [declared.get(section) for section in ("data", "model", "logger")]
    paths = [
        section.get("class_path") for section in sections if isinstance(section, dict) and not section.get("given")
    ]
    if not declared.get("given"):
        paths.append(declared.get("objective"))
    return [path.rpartition(".")[0] for path in paths if isinstance(path, str) and "." in path]


def _override(declared: dict[str, Any], key: str, text: str) -> None:
    """Lays one override over the declaration: the value that the dotted key names is replaced as a whole."""
    if "\n" in key:
        raise ValueError("one key alone")
    path, rest = [], tomllib.loads(f"{key} = 0")
    while isinstance(rest, dict):
        (name,) = rest
        path.append(name)
        rest = rest[name]
    table = declared
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{name} is no section")
    table[path[-1]] = _value(text)


def _value(text: str) -> Any:
    try:
        (value,) = tomllib.loads(f"value = {text}").values()  # another key after a line's end is a ValueError
        return value
    except tomllib.TOMLDecodeError:
        if not re.fullmatch(r"[\w./:\\ -]+", text):
            raise
        return text  # a bare word
