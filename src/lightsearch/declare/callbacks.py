"""Callbacks from Python: objects in the place of their declarations."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle

from lightsearch.compat.lightning_package import is_lightning
from lightsearch.declare.sections import CallbackSpec
from lightsearch.errors import Mistake, UserError, first_line

WRITE = "give a Lightning callback, as in EarlyStopping(...), or a table with its class_path and init_args"


def as_specs(callbacks: object) -> Any:
    """Returns callbacks as a study file has them. Each object is pickled, so that every trial gets a copy of its own.

    Args:
        callbacks: A list of Lightning callbacks (of either Lightning package) and of tables with a ``class_path``.

    Raises:
        UserError: if one is neither, or cannot be pickled.
    """
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise UserError(Mistake("callbacks", callbacks, f"write a list; {WRITE}"))
    return [_as_spec(one, f"callbacks[{position}]") for position, one in enumerate(callbacks)]


def check_remembered(specs: Sequence[CallbackSpec]) -> list[Mistake]:
    """Finds the callbacks that were objects from Python, and of which only the description that a study stores is left.

    Args:
        specs: A study's callbacks.
    """
    hint = (
        "was given to search() as an object, which no study can store; declare it with class_path and init_args, and "
        "search under another name"
    )
    return [
        Mistake(f"callbacks[{position}]", spec.class_path, hint)
        for position, spec in enumerate(specs)
        if spec.attributes is not None and spec.given is None
    ]


def _as_spec(callback: Any, field: str) -> Any:
    if isinstance(callback, Mapping):
        return callback
    cls = type(callback)
    if isinstance(callback, type) or not is_lightning(cls, "callbacks.Callback"):
        raise UserError(Mistake(field, callback, f"is no callback; {WRITE}"))
    try:
        given = cloudpickle.dumps(callback)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        hint = (
            f"cannot be copied for the trials, which run in other processes ({first_line(error)}); "
            "open files, connections and locks in its setup()"
        )
        raise UserError(Mistake(field, cls.__name__, hint)) from error
    module = "__main__" if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__ else cls.__module__
    attributes = {name: value for name, value in vars(callback).items() if name[0] != "_" and _is_plain(value)}
    return {"class_path": f"{module}.{cls.__name__}", "given": given, "attributes": attributes}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
