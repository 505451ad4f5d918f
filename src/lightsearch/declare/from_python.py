"""A declaration from Python: a dictionary in which classes and functions stand in the places of their paths."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from lightsearch.declare.reading import add_study_folder_to_path, read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError

Study = str | Path | Mapping[str, Any] | StudyFile | Callable[[Any], float]
"""What ``lightsearch.search`` takes as a study."""


def as_declaration(study: Study) -> dict[str, Any]:
    """Returns what a study file of this study contains.

    Args:
        study: A study file's path, its content, a validated study file, or a function of a trial. A class that workers
            cannot import, and likewise a function, is added in pickled form under the key ``given``.

    Raises:
        UserError: if the file cannot be read, or ``study`` is a class.
    """
    if isinstance(study, StudyFile):
        return {**study.model_dump(by_alias=True, exclude_none=True, exclude_unset=True), "given": study.given}
    if isinstance(study, str | Path):
        add_study_folder_to_path(Path(study))
        return read_declaration(Path(study), [])
    if isinstance(study, type):
        hint = "is a class; give a function of a trial, or a dictionary that names it: model = ..., data = ..."
        raise UserError(Mistake("study", study.__name__, hint))
    declared: dict[str, Any] = dict(study) if isinstance(study, Mapping) else {"objective": study}
    if callable(declared.get("objective")):
        declared |= _named_function(declared["objective"])
    for section in ("model", "data"):
        spec = declared.get(section)
        if isinstance(spec, type):
            declared[section] = _named_class(spec, {})
        elif isinstance(spec, Mapping) and isinstance(spec.get("class_path"), type):
            declared[section] = _named_class(spec["class_path"], spec)
    return declared


def _named_class(cls: type, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a class by its path, with the class itself if it is a notebook's, a script's or a function's own."""
    named = {**spec, "class_path": f"{cls.__module__}.{cls.__qualname__}"}
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        named["class_path"] = f"__main__.{cls.__name__}"
        named["given"] = cloudpickle.dumps(cls)
    return named


def _named_function(function: Any) -> dict[str, Any]:
    """Returns a function by its path, with the function itself if workers would not find it there."""
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return {"objective": f"{module}.{name}"}
    name = re.sub(r"\W", "", getattr(function, "__name__", type(function).__name__))  # <lambda>
    return {"objective": f"__main__.{name}", "given": cloudpickle.dumps(function)}
