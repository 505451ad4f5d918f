"""Classes and functions that a study file names, found by their import paths."""

from __future__ import annotations

import functools
import importlib
import inspect
import pickle
from types import ModuleType
from typing import Any

from lightsearch.compat.lightning_package import is_lightning
from lightsearch.declare.sections import ClassSpec
from lightsearch.errors import Mistake, UserError, did_you_mean

OF_SCRIPT = (
    "is a class of a script or notebook, which this process does not have; there, call lightsearch.evaluate or "
    "lightsearch.retrain, or move the class into a module and search again"
)
NO_MODULE = "no such module; is it installed, next to the study file (--study PATH.toml), or where the command starts?"

BASES = {
    "data": "LightningDataModule",
    "model": "LightningModule",
    "logger": "loggers.Logger",
    "callbacks": "callbacks.Callback",
}
"""The base of each section's class."""


def find_class(spec: ClassSpec, field: str) -> type:
    """The class of a section: a LightningModule, a LightningDataModule, a logger or a callback.

    Args:
        spec: Its import path, or the class itself, pickled.
        field: The section: ``data``, ``model``, ``logger`` or ``callbacks[0]``.

    Raises:
        UserError: if there is no such module, no such class in it, or the class has another base.
    """
    if spec.given is not None:
        return _checked(unpickled(spec.given), spec, field)
    module, name = find_module(spec.class_path, f"{field}.class_path")
    cls = getattr(module, name, None)
    if not isinstance(cls, type) and module.__name__ == "__main__":
        raise UserError(Mistake(f"{field}.class_path", spec.class_path, OF_SCRIPT))
    if not isinstance(cls, type):
        classes = [word for word in dir(module) if isinstance(getattr(module, word), type)]
        known = [*classes, *getattr(module, "__all__", [])]
        hint = f"{module.__name__} has no class {name}; {did_you_mean(name, known)}"
        raise UserError(Mistake(f"{field}.class_path", spec.class_path, hint))
    return _checked(cls, spec, field)


def find_function(path: str, given: bytes | None) -> Any:
    """The function of a trial.

    Args:
        path: ``module.function``.
        given: The function itself, pickled, if it cannot be imported.

    Raises:
        UserError: if there is no such module, no such function in it, or it takes more than a trial.
    """
    if given is not None:
        function = unpickled(given)
    else:
        module, name = find_module(path, "objective")
        function = getattr(module, name, None)
        if isinstance(function, type) or not callable(function):
            known = [word for word in dir(module) if inspect.isfunction(getattr(module, word))]
            hint = f"{module.__name__} has no function {name}; {did_you_mean(name, known)}"
            raise UserError(Mistake("objective", path, hint))
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        hint = f"takes {inspect.signature(function)}; it is called with the trial and nothing else"
        raise UserError(Mistake("objective", path, hint)) from None
    except ValueError:
        pass  # no signature, as of some functions that are not written in Python
    return function


def find_module(path: str, field: str) -> tuple[ModuleType, str]:
    """The module of an import path, and the name in it.

    Args:
        path: ``module.Name``.
        field: The key of the study file that has it.

    Raises:
        UserError: if there is no such module.
        Exception: whatever the module raises as it is imported.
    """
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists, and something that it imports does not
        raise UserError(Mistake(field, path, NO_MODULE)) from None
    if module.__spec__ is not None and module.__spec__.origin is None:  # a folder of that name, such as a study's
        raise UserError(Mistake(field, path, NO_MODULE))
    return module, name


@functools.lru_cache(maxsize=8)
def unpickled(given: bytes) -> Any:
    """What a search from Python has pickled, the same object in every call."""
    return pickle.loads(given)  # it comes from the process that started the search


def _checked(cls: type, spec: ClassSpec, field: str) -> type:
    base = BASES[field.partition("[")[0]]
    if not is_lightning(cls, base):  # no other class is ever called
        raise UserError(Mistake(f"{field}.class_path", spec.class_path, f"is no {base}; name a class that is one"))
    return cls
