"""Classes and functions named in a study file: found by their import path, with their arguments."""

from __future__ import annotations

import functools
import importlib
import inspect
import pickle
from types import ModuleType
from typing import Any

from lightsearch.compat.lightning_package import is_lightning
from lightsearch.declare.sections import ClassSpec
from lightsearch.declare.space import Section
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError, did_you_mean

NO_MODULE = "no such module; is it installed, next to the study file (--study PATH.toml), or where the command starts?"

KINDS = {"data": "LightningDataModule", "model": "LightningModule", "logger": "loggers.Logger"}
"""What the class of each section has to be."""


def find_class(spec: ClassSpec, field: str) -> type:
    """Imports a class.

    Raises:
        UserError: if there is no such module, or no such class in it.
    """
    if spec.given is not None:
        return _checked(_unpickled(spec.given), spec, field)
    module, name = _module(spec.class_path, f"{field}.class_path")
    cls = getattr(module, name, None)
    if not isinstance(cls, type):
        classes = [word for word in dir(module) if isinstance(getattr(module, word), type)]
        known = [*classes, *getattr(module, "__all__", [])]
        hint = f"{module.__name__} has no class {name}; {did_you_mean(name, known)}"
        raise UserError(Mistake(f"{field}.class_path", spec.class_path, hint))
    return _checked(cls, spec, field)


def find_function(path: str, given: bytes | None) -> Any:
    """Imports a function of a trial.

    Args:
        path: ``module.function``.
        given: The function itself, pickled, where it cannot be imported.

    Raises:
        UserError: if there is no such module, no such function in it, or it does not take a trial alone.
    """
    if given is not None:
        function = _unpickled(given)
    else:
        module, name = _module(path, "objective")
        function = getattr(module, name, None)
        if isinstance(function, type) or not callable(function):
            known = [word for word in dir(module) if inspect.isfunction(getattr(module, word))]
            hint = f"{module.__name__} has no function {name}; {did_you_mean(name, known)}"
            raise UserError(Mistake("objective", path, hint))
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        hint = f"takes {inspect.signature(function)}; it is called with the trial alone"
        raise UserError(Mistake("objective", path, hint)) from None
    except ValueError:
        pass  # without a signature, as some that are not written in Python
    return function


def _module(path: str, field: str) -> tuple[ModuleType, str]:
    """The module of an import path, and the name in it."""
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # the module is there, and something that it imports is not
        raise UserError(Mistake(field, path, NO_MODULE)) from None
    if module.__spec__ is not None and module.__spec__.origin is None:  # a folder that has the name, a study's perhaps
        raise UserError(Mistake(field, path, NO_MODULE))
    return module, name


@functools.lru_cache(maxsize=8)
def _unpickled(given: bytes) -> Any:
    return pickle.loads(given)  # from the process that started the search


def _checked(cls: type, spec: ClassSpec, field: str) -> type:
    kind = KINDS[field]
    if not is_lightning(cls, kind):  # whatever else it is, it is not run
        raise UserError(Mistake(f"{field}.class_path", spec.class_path, f"is no {kind}; name a class that is one"))
    return cls


def arguments(cls: type, given: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The arguments given, and those of the context that ``cls`` takes and that are not given."""
    accepted = inspect.signature(cls).parameters
    return {**{name: value for name, value in context.items() if name in accepted}, **given}


def merged(init_args: dict[str, Any], sampled: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the file with the sampled ones in their places, within tables too."""
    result = dict(init_args)
    for name, value in sampled.items():
        inner = result.get(name)
        result[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def defaults(study_file: StudyFile) -> dict[str, Any]:
    """The parameters that the classes' own defaults make.

    Raises:
        ValueError: if a sampled argument has no default, or one outside the space.
    """
    return study_file.space.join(default_arguments(study_file))


def default_arguments(study_file: StudyFile) -> dict[Section, dict[str, Any]]:
    """What each class of the study takes where nothing is sampled: its defaults, and what the study file gives."""
    import pytorch_lightning as pl

    classes: dict[Section, Any] = {
        "model": find_class(study_file.model, "model"),
        "data": find_class(study_file.data, "data"),
        "trainer": pl.Trainer,
    }
    given: dict[Section, dict[str, Any]] = {
        "model": study_file.model.init_args,
        "data": study_file.data.init_args,
        "trainer": study_file.trainer.keywords,
    }
    arguments = {}
    for section, cls in classes.items():
        parameters = inspect.signature(cls).parameters.values()
        own = {
            parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty
        }
        arguments[section] = merged(own, given[section])
    return arguments


def data_context(seed: object, data_dir: str | None) -> dict[str, Any]:
    """What lightsearch can tell a data class, if it asks for it by these names."""
    context: dict[str, Any] = {"split_seed": seed}
    return context if data_dir is None else {**context, "data_dir": data_dir}


def model_context(data: object) -> dict[str, Any]:
    """What the data can tell a model, if it asks for it by these names."""
    arguments: dict[str, Any] = getattr(data, "model_arguments", {})
    return arguments
