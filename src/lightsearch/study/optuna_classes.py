"""Classes of samplers and pruners by their names: Optuna's own, the user's, those of packages and of OptunaHub."""

from __future__ import annotations

import inspect
from types import ModuleType

import optuna

from lightsearch.declare.classes import find_module, unpickled
from lightsearch.declare.sections import HUB, OptunaSpec, names_other_class
from lightsearch.errors import Mistake, UserError, did_you_mean
from lightsearch.study import pruners
from lightsearch.study.hub import find_hub_class
from lightsearch.study.spec_error import SpecError, described

MODULES = {"sampler": optuna.samplers, "pruner": pruners}
"""The module of the classes that each section of the study file names without a path."""


def find_optuna_class(module: ModuleType, spec: OptunaSpec) -> type:
    """The class of a sampler or a pruner.

    Args:
        module: ``optuna.samplers``, or ``pruners`` of this room, for the kind of the class.
        spec: Its name.

    Raises:
        SpecError: if there is no such class, it cannot be imported, or it is of another kind.
        ImportError: if it needs a package that is not installed.
    """
    base: type = optuna.samplers.BaseSampler if module is optuna.samplers else optuna.pruners.BasePruner
    if spec.given is not None:
        return _checked(unpickled(spec.given), spec, base)
    if spec.name.startswith(HUB):
        return find_hub_class(spec.name, base)
    if names_other_class(spec.name):
        return _checked(_imported(spec, base), spec, base)
    exported = {name: getattr(module, name) for name in module.__all__}
    known = {name: cls for name, cls in exported.items() if isinstance(cls, type) and not inspect.isabstract(cls)}
    if spec.name not in known:
        hint = did_you_mean(spec.name, known)
        more = "; any other class is written with its module, package.module.Class" if "known are" in hint else ""
        raise SpecError("name", spec.name, hint + more)
    return known[spec.name]


def _imported(spec: OptunaSpec, base: type) -> type:
    """The class of an import path."""
    try:
        module, name = find_module(spec.name, "name")
        cls = getattr(module, name, None)
    except ImportError:
        raise
    except UserError as error:
        (mistake,) = error.mistakes
        raise SpecError("name", spec.name, mistake.hint if isinstance(mistake, Mistake) else mistake) from None
    except Exception as error:  # whatever the user's module raises
        hint = f"{spec.name.rpartition('.')[0]} raises {described(error)} as it is imported"
        raise SpecError("name", spec.name, hint) from None
    if not isinstance(cls, type):
        known = [word for word, value in vars(module).items() if isinstance(value, type) and issubclass(value, base)]
        known += [word for word in getattr(module, "__all__", []) if word not in known]
        raise SpecError("name", spec.name, f"{module.__name__} has no class {name}; {did_you_mean(name, known)}")
    return cls


def _checked(cls: type, spec: OptunaSpec, base: type) -> type:
    if not issubclass(cls, base):
        raise SpecError("name", spec.name, f"is no {base.__name__}; name a class that is one")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise SpecError("name", spec.name, f"is abstract: it has no {missing}; name a class that has all methods")
    return cls
