"""Builds samplers and pruners from a study file, which has their names and arguments."""

from __future__ import annotations

import collections.abc
import inspect
import json
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any, get_type_hints

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import GridSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lightsearch.declare.nested import known_arguments
from lightsearch.declare.sections import OptunaSpec, names_other_class
from lightsearch.declare.space import Space
from lightsearch.errors import did_you_mean
from lightsearch.study import draws
from lightsearch.study.dominated_pruner import DominatedPruner
from lightsearch.study.optuna_classes import find_optuna_class
from lightsearch.study.spec_error import SpecError

ARBITRARY = ConfigDict(arbitrary_types_allowed=True)

ANNOTATION_NAMES = {
    **vars(collections.abc),
    "FrozenTrial": FrozenTrial,
    "Study": Study,
    "BaseDistribution": BaseDistribution,
}
"""Names in annotations of Optuna's signatures that its modules import for type checkers only."""


def build_from_spec(module: ModuleType, spec: OptunaSpec, space: Space, seed: int) -> Any:
    """Builds a sampler or a pruner, and gives it the seed and the search space if it takes them.

    Args:
        module: ``optuna.samplers``, or ``pruners`` of this room.
        spec: The name of the class and the arguments.
        space: The study's space; without parameters if the study is of a function.
        seed: The seed of a sampler.

    Raises:
        SpecError: if the name or an argument is wrong.
        Exception: whatever the class raises.
    """
    cls = find_optuna_class(module, spec)
    accepted = inspect.signature(cls).parameters
    _check_names(cls, spec, accepted)
    arguments = {
        name: _argument(module, f"init_args.{name}", value, space, seed) for name, value in spec.init_args.items()
    }
    arguments = _checked_types(cls, spec, arguments)
    if cls is TPESampler and (space.conditional or not space.entries):
        # By default, parameters that only some trials have are sampled one by one at random. A function may have them.
        arguments = {"multivariate": True, "group": True, **arguments}
    if _takes(cls, accepted, "seed"):
        arguments.setdefault("seed", seed)
    if "search_space" in accepted and "search_space" not in arguments:
        arguments |= _search_space(cls, accepted["search_space"], spec, space)
    _check_complete(cls, accepted, arguments)
    with warnings.catch_warnings():
        # The user has chosen it, and need not be warned that a later version of Optuna may change it.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return cls(**arguments)


def _check_names(cls: type, spec: OptunaSpec, accepted: Mapping[str, inspect.Parameter]) -> None:
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    for name, value in spec.init_args.items():
        if name not in accepted and not takes_any:
            raise SpecError(f"init_args.{name}", value, did_you_mean(name, accepted))
    if "seed" in spec.init_args and _takes(cls, accepted, "seed"):
        again = "every trial would be given the same values" if _is_optunas(cls) else "a continued search would repeat"
        hint = f"{again}; write seed = N at the top of the file, or --seed N"
        raise SpecError("init_args.seed", spec.init_args["seed"], hint)


def _takes(cls: type, accepted: Mapping[str, inspect.Parameter], name: str) -> bool:
    """Whether a class has an argument, or passes it to a base as a part of ``**kwargs``."""
    if name in accepted or not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        return name in accepted
    return name in known_arguments(cls)


def _check_complete(cls: type, accepted: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]) -> None:
    for name, parameter in accepted.items():
        is_plain = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if is_plain and parameter.default is parameter.empty and name not in arguments:
            raise SpecError(f"init_args.{name}", None, f"{cls.__name__} needs it; add it")


def _search_space(cls: type, parameter: inspect.Parameter, spec: OptunaSpec, space: Space) -> dict[str, Any]:
    """The argument with the study's space, if a class takes it: values for a grid, else Optuna's distributions.

    Classes that are not Optuna's get it if they need it. What they do without it is theirs to decide.
    """
    is_grid, is_needed = issubclass(cls, GridSampler), parameter.default is parameter.empty
    if not is_grid and not is_needed:
        return {}
    if is_grid:
        found: Any = space.grid()
    else:
        found = None if space.conditional or not space.entries else draws.distributions(space)
    if found:
        return {"search_space": found}
    if is_grid and not space.entries:
        hint = "needs the values of every parameter; add init_args = { search_space = { NAME = [...] } }"
    elif not space.entries:
        hint = "needs the range of every parameter, and a function declares them as it runs; use another one"
    else:
        hint = f"needs parameters that every trial has; use {'BruteForceSampler' if is_grid else 'another one'}"
    raise SpecError("name", spec.name, hint)


def _argument(module: ModuleType, field: str, value: object, space: Space, seed: int) -> object:
    """An argument. A table that names a sampler or a pruner is built, also within a list."""
    if isinstance(value, list):
        return [_argument(module, f"{field}[{index}]", one, space, seed) for index, one in enumerate(value)]
    if not isinstance(value, dict) or not isinstance(name := value.get("name"), str):
        return value
    if hasattr(module, name) or (names_other_class(name) and value.keys() <= {"name", "init_args"}):
        try:
            return build_from_spec(module, OptunaSpec.model_validate(value), space, seed)
        except SpecError as error:
            raise SpecError(f"{field}.{error.field}", error.value, error.hint) from None
        except ValidationError:
            raise SpecError(field, value, "write { name = ..., init_args = { ... } }") from None
    return value


def _checked_types(cls: type, spec: OptunaSpec, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments in the types of the signature, since few samplers check them.

    What TOML cannot write is converted: a list to a tuple, a string to a path.
    """
    try:
        hints = get_type_hints(cls.__init__, localns=ANNOTATION_NAMES)  # type: ignore[misc]
    except Exception:  # names for type checkers only; trying the sampler finds most mistakes as well
        hints = {}
    typed = {}
    for name, value in arguments.items():
        try:
            typed[name] = _typed(hints.get(name, Any), value)
        except (ValueError, TypeError):  # pydantic's ValidationError is a ValueError
            hint = f"{cls.__name__} takes {_type_name(inspect.signature(cls).parameters[name].annotation)} for {name}"
            raise SpecError(f"init_args.{name}", spec.init_args[name], hint) from None
        known = _is_optunas(cls) or cls is DominatedPruner
        if known and name.startswith("n_") and isinstance(value, int) and value < 0:
            raise SpecError(f"init_args.{name}", value, "is a number of trials or steps; write 0 or more")
    return typed


def _typed(annotation: Any, value: Any) -> Any:
    """A value in the type of its annotation.

    Raises:
        ValueError: if it has another type.
        TypeError: likewise, of an object.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ARBITRARY)
    except Exception:  # pydantic has no use for some annotations
        return value
    try:
        adapter.validate_python(value, strict=True)
        return value
    except ValidationError:
        return adapter.validate_json(json.dumps(value), strict=True)


def _is_optunas(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "optuna"


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
