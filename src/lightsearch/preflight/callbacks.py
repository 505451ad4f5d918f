"""Whether the study's callbacks exist and take their arguments, and which of them an exception comes from."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from lightsearch.compat.lightning_package import is_lightning
from lightsearch.declare.nested import sampled_objects
from lightsearch.declare.sections import CallbackSpec
from lightsearch.declare.study_file import StudyFile
from lightsearch.preflight.arguments import check_arguments, suffices

Collecting = Callable[[str, str], contextlib.AbstractContextManager[None]]
"""Collects the mistakes within a context, for a field and its value."""


def check_callbacks(declared: dict[str, Any], sampled: dict[str, Any], collecting: Collecting) -> None:
    """Finds each callback's class, compares its arguments with the signature, and builds it.

    Args:
        declared: The study file's content.
        sampled: ``space.callbacks``.
        collecting: Collects mistakes.
    """
    callbacks = declared.get("callbacks")
    for position, given in enumerate(callbacks if isinstance(callbacks, list | tuple) else ()):
        try:
            spec = CallbackSpec.model_validate(given)
        except ValidationError:
            continue  # reported by the study file's validation
        field = f"callbacks[{position}]"
        with collecting(f"{field}.class_path", spec.class_path):
            _check(spec, field, sampled)


def _check(spec: CallbackSpec, field: str, sampled: dict[str, Any]) -> None:
    from lightsearch.declare.classes import find_class
    from lightsearch.training.callbacks import build_callback

    if spec.given is not None:
        build_callback(spec, {}, field)  # the classes that it needs can be imported here
        return
    cls = find_class(spec, field)
    prefix = f"{spec.label}."
    own = {name.removeprefix(prefix): value for name, value in sampled.items() if name.startswith(prefix)}
    check_arguments(cls, spec, field, own, {}, space=f"space.callbacks.{spec.label}")
    if not sampled_objects(spec.init_args, own) and suffices(cls, spec.init_args):
        build_callback(spec, {}, field)


def callback_of(error: BaseException, study_file: StudyFile) -> tuple[str, str] | None:
    """The callback in which an exception was raised: its field and its value; None: it was raised in no callback.

    Args:
        error: The exception.
        study_file: The declared study.
    """
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        if (found := field_of(frame.f_locals.get("self"), study_file)) is not None:
            return found
    return None


def field_of(callback: Any, study_file: StudyFile) -> tuple[str, str] | None:
    """The key of the study file, and its value, that names the class of a callback; None: no key does."""
    cls = type(callback)
    if is_lightning(cls, "callbacks.Callback") and not cls.__module__.startswith("lightsearch."):
        for position, spec in enumerate(study_file.callbacks):
            if spec.class_path.rpartition(".")[2] == cls.__name__:
                return f"callbacks[{position}].class_path", spec.class_path
    return None
