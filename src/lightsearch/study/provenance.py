"""Where a study's results come from: the source of its classes, and the device; what of that has changed is said.

It is noticed and not refused: a digest cannot tell a comment from a layer, and a comment that is edited should not end
a study. Who changed a layer gives the study another name.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from lightsearch.atomic_files import file_digest
from lightsearch.declare.sections import ClassSpec

LIBRARIES = [Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
"""What lies here is known by its version."""


def noticed(declared: dict[str, Any], accelerators: int) -> dict[str, Any]:
    """What may change within a study and is said when it does; its classes are imported.

    Args:
        declared: The study file's content.
        accelerators: GPUs that trials may take.
    """
    trainer = declared.get("trainer")
    accelerator = trainer.get("accelerator", "auto") if isinstance(trainer, dict) else "auto"
    return {"accelerator": str(accelerator), "device": "cuda" if accelerators else "cpu", "sources": sources(declared)}


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two answers of ``noticed``, a line each; what one of them does not know does not."""
    lines = [
        f"{key}: {before[key]} before, {now[key]} now"
        for key in ("accelerator", "device")
        if key in before and key in now and before[key] != now[key]
    ]
    old, new = before.get("sources", {}), now.get("sources", {})
    return lines + [f"the source of {name}" for name in old if old[name] != new.get(name, old[name])]


def changed_sources(attrs: dict[str, Any]) -> list[str]:
    """What a study's classes are made of and was not when it was last searched, a line each; they are imported.

    Args:
        attrs: The study's user attributes.
    """
    before = {"sources": attrs.get("noticed", {}).get("sources", {})}
    return [f"changed since the search: {line}" for line in changes(before, {"sources": sources(attrs["fingerprint"])})]


def sources(declared: dict[str, Any]) -> dict[str, str]:
    """Digests of what the study's classes, or its function, are made of.

    By the names of modules: those of the classes and of their bases, and what they import of the user's own. Of a class
    that is in no file, a notebook's, by its name: it is digested as it is compiled.
    """
    found: dict[str, str] = {}
    for named in _named(declared):
        for part in named.__mro__ if isinstance(named, type) else [named]:
            _add(part, found)
    return found


def _named(declared: dict[str, Any]) -> Iterator[Any]:
    """The classes, or the function, that a study file names, as far as they are there."""
    from lightsearch.declare.classes import find_class, find_function

    for section in ("model", "data"):
        try:
            if section in declared:
                yield find_class(ClassSpec.model_validate(declared[section]), section)
        except Exception:  # whatever a module raises as it is imported, or is wrong with its name, is said elsewhere
            continue
    with contextlib.suppress(Exception):
        if isinstance(path := declared.get("objective"), str):
            yield find_function(path, declared.get("given"))


def _add(part: Any, found: dict[str, str]) -> None:
    """Adds the module of a class or of a function, and those that it imports from."""
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
    path = Path(str(module.__file__)).absolute()
    return module.__name__.partition(".")[0] == "lightsearch" or any(path.is_relative_to(one) for one in LIBRARIES)


def _add_compiled(part: type | FunctionType, found: dict[str, str]) -> None:
    name = f"{part.__module__}.{part.__qualname__}"
    if name in found:
        return
    found[name] = ""  # it may refer to itself
    functions = [part] if isinstance(part, FunctionType) else []
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())  # each version compiles in its own way
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
    """A function's code, and that of the functions within."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _constants(code: CodeType) -> list[str]:
    plain = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return [repr(sorted(map(repr, one))) if isinstance(one, frozenset) else repr(one) for one in plain]
