"""Where a study's results come from: the source code of its classes, and the device. Changes are reported.

They are not refused: a digest does not distinguish a comment from a layer, and editing a comment should not end a
study. A user who changes a layer gives the study another name.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from lightsearch.atomic_files import file_digest
from lightsearch.declare.libraries import is_library
from lightsearch.declare.lightning_cli import modules_of_config
from lightsearch.declare.sections import ClassSpec, OptunaSpec
from lightsearch.study.optuna_classes import MODULES, find_optuna_class


def noticed(declared: dict[str, Any], accelerators: int) -> dict[str, Any]:
    """What may change within a study, and is reported when it does. The study's classes are imported.

    Args:
        declared: The study file's content.
        accelerators: How many GPUs trials may use.

    Returns:
        ``accelerator`` (as the Trainer takes it), ``device`` (``cuda`` or ``cpu``) and ``sources`` (see ``sources``).
    """
    trainer = declared.get("trainer")
    accelerator = trainer.get("accelerator", "auto") if isinstance(trainer, dict) else "auto"
    return {"accelerator": str(accelerator), "device": "cuda" if accelerators else "cpu", "sources": sources(declared)}


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two results of ``noticed``, one line each. Keys that one of them lacks are not compared."""
    lines = [
        f"{key}: {before[key]} before, {now[key]} now"
        for key in ("accelerator", "device")
        if key in before and key in now and before[key] != now[key]
    ]
    old, new = before.get("sources", {}), now.get("sources", {})
    return lines + [f"the source of {name}" for name in old if old[name] != new.get(name, old[name])]


def changed_sources(attrs: dict[str, Any]) -> list[str]:
    """What has changed in the source code of a study's classes since the last search, one line each. They are imported.

    Args:
        attrs: The study's user attributes.
    """
    before = {"sources": attrs.get("noticed", {}).get("sources", {})}
    return [f"changed since the search: {line}" for line in changes(before, {"sources": sources(attrs["fingerprint"])})]


def is_unchanged_source(digests: dict[str, str]) -> bool:
    """Whether files have the digests that ``sources`` has found. Nothing is imported.

    Args:
        digests: Digests by the names of modules. What is in no file, or cannot be found, counts as changed.
    """
    return all((file := _file_of(name)) is not None and file_digest(file) == one for name, one in digests.items())


def _file_of(name: str) -> Path | None:
    """The file of a module that is not imported."""
    first, *rest = name.split(".")
    spec = PathFinder.find_spec(first)
    for part in rest:
        inside = None if spec is None else spec.submodule_search_locations
        spec = None if inside is None else PathFinder.find_spec(part, inside)
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def sources(declared: dict[str, Any]) -> dict[str, str]:
    """Digests of the source code of the study's classes, or of its function.

    Keys are names of modules: those of the classes, of their base classes, and of the user's own modules that these
    import. Libraries are not among them. A class that is in no file, such as a notebook's, has its own name as key and
    the digest of its compiled code.

    Args:
        declared: The study file's content.

    Returns:
        SHA-256 digests, hexadecimal, by name.
    """
    found: dict[str, str] = {}
    for declared_object in _named(declared):
        for part in declared_object.__mro__ if isinstance(declared_object, type) else [declared_object]:
            _add(part, found)
    return found


def _named(declared: dict[str, Any]) -> Iterator[Any]:
    """The classes, or the function, that a study file names, as far as they can be imported."""
    from lightsearch.declare.classes import find_class, find_function

    if isinstance(config := declared.get("config"), dict):
        yield from _of_config(config)
    for section in ("model", "data"):
        try:
            if section in declared:
                yield find_class(ClassSpec.model_validate(declared[section]), section)
        except Exception:  # the preflight reports what a module raises, and what is wrong with a name
            continue
    with contextlib.suppress(Exception):
        if isinstance(path := declared.get("objective"), str):
            yield find_function(path, declared.get("given"))
    for section, module in MODULES.items():
        with contextlib.suppress(Exception):
            yield find_optuna_class(module, OptunaSpec.model_validate(declared[section]))


def _of_config(config: dict[str, Any]) -> Iterator[Any]:
    """The modules that a LightningCLI configuration needs, and the script that calls LightningCLI."""
    for name in modules_of_config(config):
        with contextlib.suppress(Exception):  # the preflight reports what a module raises
            yield importlib.import_module(name)
    cli = str(config.get("cli"))
    if cli.endswith(".py") and Path(cli).is_file():
        script = ModuleType(cli)
        script.__file__ = cli
        yield script


def _add(part: Any, found: dict[str, str]) -> None:
    """Adds the module of a class or of a function, and the modules that it imports from."""
    module = part if isinstance(part, ModuleType) else sys.modules.get(str(getattr(part, "__module__", "")))
    file = getattr(module, "__file__", None)
    if isinstance(part, type | FunctionType) and (part.__module__ == "__main__" or "<locals>" in part.__qualname__):
        _add_compiled(part, found)
    elif module is not None and file is not None and module.__name__ not in found and not _is_library(module):
        found[module.__name__] = file_digest(Path(file))
        for value in list(vars(module).values()):
            if isinstance(value, type | FunctionType | ModuleType):
                _add(value, found)


def _is_library(module: ModuleType) -> bool:
    file = str(module.__file__)
    if not Path(file).is_file():  # some modules that libraries make at run time have a name that is no path
        return True
    return module.__name__.partition(".")[0] == "lightsearch" or is_library(file)


def _add_compiled(part: type | FunctionType, found: dict[str, str]) -> None:
    """Adds a class or a function that is in no file, by its compiled code."""
    name = f"{part.__module__}.{part.__qualname__}"
    if name in found:
        return
    found[name] = ""  # it may refer to itself
    functions = [part] if isinstance(part, FunctionType) else []
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())  # each version of Python compiles differently
    for key, value in sorted(vars(part).items()) if isinstance(part, type) else ():
        inner = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(inner, FunctionType):
            functions.append(inner)
        elif not key.startswith("_") and isinstance(value, bool | int | float | str | tuple):
            digest.update(f"{key}={value!r}".encode())
    for function in functions:
        digest.update(f"{function.__name__}{function.__defaults__!r}{function.__kwdefaults__!r}".encode())
        for code in _codes(function.__code__):
            digest.update(code.co_code + f"{code.co_names}{code.co_varnames}{_constants(code)}".encode())
            for referred in code.co_names:
                value = function.__globals__.get(referred)
                if isinstance(value, type | FunctionType):
                    _add(value, found)
    found[name] = digest.hexdigest()


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and the code of its inner functions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _constants(code: CodeType) -> list[str]:
    plain = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return [repr(sorted(map(repr, one))) if isinstance(one, frozenset) else repr(one) for one in plain]
