"""A declaration from Python: a dictionary in which classes and functions stand in the places of their paths."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from lightsearch.declare.distributions import Distribution, as_tables
from lightsearch.declare.reading import add_study_folder_to_path, read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.values import as_plain
from lightsearch.errors import Mistake, UserError

Study = str | Path | Mapping[str, Any] | StudyFile | Callable[[Any], float]
"""What ``lightsearch.search`` takes as a study."""


def as_declaration(study: Study, **keys: Any) -> dict[str, Any]:
    """Returns what a study file of this study contains.

    Args:
        study: A study file's path, its content, a validated study file, or a function of a trial. A class that workers
            cannot import, and likewise a function, is added in pickled form under the key ``given``.
        keys: Keys of the study file that are added or replaced.

    Raises:
        UserError: if the file cannot be read, ``study`` is a class, or a class or a distribution is where it cannot be.
    """
    declared = {**_content(study), **keys}
    if callable(declared.get("objective")):
        declared |= _named_function(declared["objective"])
    for section in ("model", "data", "logger"):
        if section in declared:
            declared[section] = _as_spec(declared[section])
    for section in ("sampler", "pruner"):
        if section in declared:
            declared[section] = _as_optuna_spec(declared[section], section)
    if "space" in declared:
        declared["space"] = as_tables(declared["space"])
    return {key: value if key == "space" else _with_paths(value, key) for key, value in declared.items()}


def with_script_classes(declared: dict[str, Any]) -> dict[str, Any]:
    """A stored declaration, with the classes themselves that are of the script or notebook that runs now."""
    found = {}
    for section in ("model", "data", "logger"):
        spec = declared.get(section) or {}
        module, _, name = spec.get("class_path", "").partition(".")
        cls = getattr(sys.modules["__main__"], name, None) if module == "__main__" else None
        if isinstance(cls, type):
            found[section] = {**spec, "given": cloudpickle.dumps(cls)}
    return {**declared, **found}


def _content(study: Study) -> dict[str, Any]:
    if isinstance(study, StudyFile):
        return {**study.model_dump(by_alias=True, exclude_none=True, exclude_unset=True), "given": study.given}
    if isinstance(study, str | Path):
        add_study_folder_to_path(Path(study))
        return read_declaration(Path(study), [])
    if isinstance(study, type):
        hint = "is a class; give a function of a trial, or a dictionary that names it: model = ..., data = ..."
        raise UserError(Mistake("study", study.__name__, hint))
    return dict(study) if isinstance(study, Mapping) else {"objective": study}


def _as_spec(spec: Any) -> Any:
    """A section's class by its path, with the class itself if it is a notebook's, a script's or a function's own."""
    cls = spec.get("class_path") if isinstance(spec, Mapping) else spec
    if not isinstance(cls, type):
        return spec
    named = {**(spec if isinstance(spec, Mapping) else {}), "class_path": _path_of(cls)}
    return {**named, "given": cloudpickle.dumps(cls)} if _is_of_script(cls) else named


def _as_optuna_spec(spec: Any, section: str) -> Any:
    """A sampler or a pruner by its name, with the class itself if it is a notebook's, a script's or a function's own.

    Raises:
        UserError: if it is an object, which cannot be kept with the study.
    """
    if spec is None or isinstance(spec, str | int | float | list | Mapping | type):
        cls = spec.get("name") if isinstance(spec, Mapping) else spec
        if not isinstance(cls, type):
            return spec  # a name, or what validation refuses
        named = {**(spec if isinstance(spec, Mapping) else {}), "name": _path_of(cls)}
        return {**named, "given": cloudpickle.dumps(cls)} if _is_of_script(cls) else named
    cls = type(spec)
    name = f'"{cls.__name__}"' if cls.__module__.partition(".")[0] == "optuna" else cls.__name__
    hint = (
        f'is an object, which cannot be kept with the study; write {section}={{"name": {name}, "init_args": {{...}}}}'
    )
    raise UserError(Mistake(section, spec, hint))


def _with_paths(value: Any, field: str) -> Any:
    """A part of a declaration with a path in the place of each class.

    Raises:
        UserError: if workers cannot import such a class, or the part holds a distribution.
    """
    value = as_plain(value)
    if isinstance(value, Distribution):
        section, _, argument = field.replace(".init_args", "", 1).partition(".")
        where = f"{{{section!r}: {{{argument!r}: {value!r}}}}}" if argument else "{'model': {...}, 'data': {...}}"
        raise UserError(Mistake(field, value, f"what is sampled is in the space; write space = {where}"))
    if isinstance(value, Mapping):
        for key in ("name",) if re.match(r"(sampler|pruner)\b", field) else ("class_path",):
            if isinstance(cls := value.get(key), type):
                if _is_of_script(cls):
                    hint = "is a class of the script itself, which workers cannot import; move it into a module"
                    raise UserError(Mistake(f"{field}.{key}", cls.__name__, hint))
                value = {**value, key: _path_of(cls)}
        return {key: _with_paths(inner, f"{field}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_paths(inner, f"{field}[{index}]") for index, inner in enumerate(value)]
    return value


def _is_of_script(cls: type) -> bool:
    return cls.__module__ == "__main__" or "<locals>" in cls.__qualname__


def _path_of(cls: type) -> str:
    return f"__main__.{cls.__name__}" if _is_of_script(cls) else f"{cls.__module__}.{cls.__qualname__}"


def _named_function(function: Any) -> dict[str, Any]:
    """Returns a function by its path, with the function itself if workers would not find it there."""
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return {"objective": f"{module}.{name}"}
    name = re.sub(r"\W", "", getattr(function, "__name__", type(function).__name__))  # <lambda>
    return {"objective": f"__main__.{name}", "given": cloudpickle.dumps(function)}
