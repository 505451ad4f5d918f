"""Reads a study file and its overrides (``--set``) as plain values: a declaration."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsearch.declare.init_from import located
from lightsearch.declare.lightning_cli import embedded, modules_of_config
from lightsearch.declare.sections import HUB, IMPORT_PATH
from lightsearch.errors import Mistake, UserError

MOST_BYTES = 1_000_000
"""Largest size of a study file. A larger file is probably not a study file."""

DEEPEST = 32
"""Largest depth of nested tables and lists."""

GIVEN = ("data", "model", "logger", "sampler", "pruner")
"""The sections whose class a search from Python may give in pickled form."""

TOO_DEEP = f"has more than {DEEPEST} levels of nested tables or lists; write fewer"


def read_declaration(path: Path, overrides: list[str]) -> dict[str, Any]:
    """The content of a study file, with ``key=value`` overrides applied.

    Args:
        path: The TOML file, in UTF-8 (with or without a byte order mark).
        overrides: ``key=value``, with dotted keys and values as in TOML. A bare word is a string.

    Raises:
        UserError: if the file cannot be read or is not TOML, or an override has no ``=``.
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
    return embedded(located(declared, path.parent), path.parent)


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UserError(Mistake("--study", str(path), "is no file; name a study file (studies/NAME.toml)"))
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            hint = f"is larger than {MOST_BYTES:,} bytes, so it is not a study file; name one"
            raise UserError(Mistake("--study", str(path), hint))
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        there = ", ".join(sorted(str(file) for file in path.parent.glob("*.toml"))) or "none"
        raise UserError(Mistake("--study", str(path), f"no such file; study files in that folder: {there}")) from None
    except (OSError, ValueError) as error:  # invalid UTF-8 and a path with a NUL are ValueErrors
        raise UserError(Mistake("--study", str(path), f"cannot be read: {error}")) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UserError(Mistake("--study", str(path), TOO_DEEP)) from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise UserError(Mistake("--study", str(path), f"is not valid TOML: {error}")) from None


def check_declaration(declared: Mapping[str, Any]) -> list[Mistake]:
    """Finds what no declaration from outside may contain: very deep tables, keys that are not strings, pickles."""
    name, keys = str(declared.get("name")), []
    level: list[Any] = [declared]
    for _ in range(DEEPEST + 1):  # level by level, since recursion could exceed the interpreter's limit
        keys += [key for outer in level if isinstance(outer, Mapping) for key in outer if not isinstance(key, str)]
        inner = (part for outer in level for part in (outer.values() if isinstance(outer, Mapping) else outer))
        level = [part for part in inner if isinstance(part, dict | list)]
    mistakes = [Mistake("the study", name, TOO_DEEP)] if level else []
    mistakes += [Mistake("the study", key, "is a key that is not a string; write one") for key in keys]
    sections: dict[str, Any] = {"": declared, **{key: declared.get(key) for key in GIVEN}}
    sections |= {f"callbacks[{position}]": one for position, one in enumerate(_callbacks(declared))}
    for name_of, section in sections.items():
        for key in ("given", "attributes"):  # only lightsearch itself makes pickles, and describes what they hold
            if isinstance(section, Mapping) and key in section:
                mistakes.append(Mistake(f"{name_of}.{key}".lstrip("."), section[key], "unknown key; take it out"))
    return mistakes


def add_study_folder_to_path(path: Path) -> None:
    """Makes Python files next to a study file importable, after everything else that is importable."""
    folder = str(path.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)


def modules_of(declared: dict[str, Any]) -> list[str]:
    """The modules that workers need for what a declaration names. Invalid parts are skipped."""
    sections = [*(declared.get(section) for section in ("data", "model", "logger")), *_callbacks(declared)]
    paths = [
        section.get("class_path") for section in sections if isinstance(section, dict) and not section.get("given")
    ]
    if not declared.get("given"):
        paths.append(declared.get("objective"))
    # Workers prune, and the function of a trial samples there.
    specs = [declared.get("pruner"), declared.get("sampler") if declared.get("objective") is not None else None]
    names = [spec.get("name") if isinstance(spec, dict) else spec for spec in specs]
    paths += ["optunahub.load_module" if isinstance(name, str) and name.startswith(HUB) else name for name in names]
    modules: list[str] = []
    if isinstance(config := declared.get("config"), dict):
        modules = modules_of_config(config)
    return modules + [
        path.rpartition(".")[0] for path in paths if isinstance(path, str) and re.match(IMPORT_PATH, path)
    ]


def _callbacks(declared: Mapping[str, Any]) -> list[Any]:
    given = declared.get("callbacks")
    return list(given) if isinstance(given, list | tuple) else []


def _override(declared: dict[str, Any], key: str, text: str) -> None:
    """Applies one override to the declaration. The value of the dotted key is replaced as a whole."""
    if "\n" in key:
        raise ValueError("more than one key")
    path, rest = [], tomllib.loads(f"{key} = 0")
    while isinstance(rest, dict):
        (name,) = rest
        path.append(name)
        rest = rest[name]
    table = declared
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{name} is not a section")
    table[path[-1]] = parsed_value(text)


def parsed_value(text: str) -> Any:
    """A value on the command line: as in TOML, or a bare word, which is a string.

    Raises:
        ValueError: if it is neither.
    """
    try:
        (value,) = tomllib.loads(f"value = {text}").values()  # several lines with keys are a ValueError
        return value
    except tomllib.TOMLDecodeError:
        if not re.fullmatch(r"[\w./:@\\ -]+", text):
            raise
        return text  # a bare word
