"""Builds Optuna's samplers and pruners from a study file, which has their class names and arguments."""

from __future__ import annotations

import collections.abc
import inspect
import warnings
from types import ModuleType
from typing import Any, get_type_hints

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lightsearch.declare.sections import OptunaSpec
from lightsearch.declare.space import Space
from lightsearch.errors import did_you_mean

ARBITRARY = ConfigDict(arbitrary_types_allowed=True)

ANNOTATION_NAMES = {
    **vars(collections.abc),
    "FrozenTrial": FrozenTrial,
    "Study": Study,
    "BaseDistribution": BaseDistribution,
}
"""Names in annotations of Optuna's signatures that its modules import for type checkers only."""


class SpecError(Exception):
    """A wrong part of a sampler's or a pruner's section.

    Args:
        field: Its name in the section, such as ``init_args.seed``.
        value: What it holds.
        hint: What to write instead.
    """

    def __init__(self, field: str, value: object, hint: str) -> None:
        self.field, self.value, self.hint = field, value, hint


def build_from_spec(module: ModuleType, spec: OptunaSpec, space: Space, seed: int) -> Any:
    """Builds a sampler or a pruner, and gives it the seed and the search space if it takes them.

    Args:
        module: ``optuna.samplers``, or ``pruners`` of this room.
        spec: The class name and the arguments.
        space: The study's space; without parameters if the study is of a function.
        seed: The seed of a sampler.

    Raises:
        SpecError: if the name or an argument is wrong.
        Exception: whatever the class raises.
    """
    exported = {name: getattr(module, name) for name in module.__all__}
    known = [name for name, cls in exported.items() if isinstance(cls, type) and not inspect.isabstract(cls)]
    if spec.name not in known:
        raise SpecError("name", spec.name, did_you_mean(spec.name, known))
    build = getattr(module, spec.name)
    accepted = inspect.signature(build).parameters
    for name in spec.init_args:
        if name not in accepted:
            raise SpecError(f"init_args.{name}", spec.init_args[name], did_you_mean(name, accepted))
    if "seed" in spec.init_args:
        hint = "every trial would be given the same values; write seed = N at the top of the file, or --seed N"
        raise SpecError("init_args.seed", spec.init_args["seed"], hint)
    arguments = {name: _argument(module, name, value, space, seed) for name, value in spec.init_args.items()}
    _check_types(build, spec, arguments)
    if spec.name == "TPESampler" and (space.conditional or not space.entries):
        # By default, parameters that only some trials have are sampled one by one at random. A function may have them.
        arguments = {"multivariate": True, "group": True, **arguments}
    if "seed" in accepted:
        arguments.setdefault("seed", seed)
    if "search_space" in accepted and "search_space" not in arguments:
        grid = space.grid() or None  # the parameters of a function are not known beforehand
        if grid is None and accepted["search_space"].default is inspect.Parameter.empty:
            hint = "needs parameters that every trial has; use BruteForceSampler"
            if not space.entries:
                hint = "needs the values of every parameter; add init_args = { search_space = { NAME = [...] } }"
            raise SpecError("name", spec.name, hint)
        if grid is not None:
            arguments["search_space"] = grid
    with warnings.catch_warnings():
        # The user has chosen it, and need not be warned that a later version of Optuna may change it.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return build(**arguments)


def _argument(module: ModuleType, name: str, value: object, space: Space, seed: int) -> object:
    """An argument. A table that names a sampler or a pruner is built."""
    if isinstance(value, dict) and isinstance(value.get("name"), str) and hasattr(module, value["name"]):
        try:
            return build_from_spec(module, OptunaSpec.model_validate(value), space, seed)
        except SpecError as error:
            raise SpecError(f"init_args.{name}.{error.field}", error.value, error.hint) from None
        except ValidationError:
            raise SpecError(f"init_args.{name}", value, "write { name = ..., init_args = { ... } }") from None
    return value


def _check_types(build: Any, spec: OptunaSpec, arguments: dict[str, Any]) -> None:
    """Checks arguments against the annotations of the signature, since few samplers check them."""
    try:
        hints = get_type_hints(build.__init__, localns=ANNOTATION_NAMES)
    except NameError:  # a later version of Optuna uses other names; trying the sampler finds most mistakes as well
        hints = {}
    for name, value in arguments.items():
        try:
            TypeAdapter(hints.get(name, Any), config=ARBITRARY).validate_python(value, strict=True)
        except ValidationError:
            hint = f"{spec.name} takes {_type_name(inspect.signature(build).parameters[name].annotation)} for {name}"
            raise SpecError(f"init_args.{name}", spec.init_args[name], hint) from None
        if name.startswith("n_") and isinstance(value, int) and value < 0:
            raise SpecError(f"init_args.{name}", value, "is a number of trials or steps; write 0 or more")


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
