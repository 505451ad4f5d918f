"""Samplers and pruners of Optuna, built from the study file by their own names and arguments."""

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

HINTED = {**vars(collections.abc), "FrozenTrial": FrozenTrial, "Study": Study, "BaseDistribution": BaseDistribution}
"""Names that Optuna's signatures use and its modules import for type checkers alone."""


class SpecError(Exception):
    def __init__(self, field: str, value: object, hint: str) -> None:
        self.field, self.value, self.hint = field, value, hint


def build_from_spec(module: ModuleType, spec: OptunaSpec, space: Space, seed: int) -> Any:
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
        # Otherwise parameters that only some trials have are sampled one by one, at random. A function may have such.
        arguments = {"multivariate": True, "group": True, **arguments}
    if "seed" in accepted:
        arguments.setdefault("seed", seed)
    if "search_space" in accepted and "search_space" not in arguments:
        grid = space.grid() or None  # of a function nothing is known beforehand
        if grid is None and accepted["search_space"].default is inspect.Parameter.empty:
            hint = "needs parameters that every trial has; use BruteForceSampler"
            if not space.entries:
                hint = "needs the values of every parameter; add init_args = { search_space = { NAME = [...] } }"
            raise SpecError("name", spec.name, hint)
        if grid is not None:
            arguments["search_space"] = grid
    with warnings.catch_warnings():
        # The study file names it, so that it may change in a later version of Optuna is no news.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return build(**arguments)


def _argument(module: ModuleType, name: str, value: object, space: Space, seed: int) -> object:
    """An argument; a table with the name of a sampler, or of a pruner, is built."""
    if isinstance(value, dict) and isinstance(value.get("name"), str) and hasattr(module, value["name"]):
        try:
            return build_from_spec(module, OptunaSpec.model_validate(value), space, seed)
        except SpecError as error:
            raise SpecError(f"init_args.{name}.{error.field}", error.value, error.hint) from None
        except ValidationError:
            raise SpecError(f"init_args.{name}", value, "write { name = ..., init_args = { ... } }") from None
    return value


def _words(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _check_types(build: Any, spec: OptunaSpec, arguments: dict[str, Any]) -> None:
    """Compares arguments with the types that the signature asks for, since few samplers do."""
    try:
        hints = get_type_hints(build.__init__, localns=HINTED)
    except NameError:  # of a later version of Optuna; the trial draws find most of it as well
        hints = {}
    for name, value in arguments.items():
        try:
            TypeAdapter(hints.get(name, Any), config=ARBITRARY).validate_python(value, strict=True)
        except ValidationError:
            hint = f"{spec.name} takes {_words(inspect.signature(build).parameters[name].annotation)} for {name}"
            raise SpecError(f"init_args.{name}", spec.init_args[name], hint) from None
        if name.startswith("n_") and isinstance(value, int) and value < 0:
            raise SpecError(f"init_args.{name}", value, "is a number of trials or steps; write 0 or more")
