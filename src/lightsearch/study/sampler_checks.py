"""What is wrong with a declared sampler or pruner, found by trying them before anything is stored."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeGuard

import optuna
from pydantic import ValidationError

from lightsearch.declare.enqueued import refused
from lightsearch.declare.parameters import FixedParameter, ListParameter
from lightsearch.declare.sections import OptunaSpec
from lightsearch.declare.space import Space
from lightsearch.declare.study_file import StudyFile, default_pruner, n_objectives
from lightsearch.errors import Mistake, first_line
from lightsearch.study import draws, pruners
from lightsearch.study.optuna_objects import SpecError, build_from_spec
from lightsearch.study.samplers import ENUMERATING, SeededSampler

MOST_POINTS = 1_000_000
"""How many points of a grid, or values of one parameter, a sampler that enumerates may list at once."""

UNKNOWN = {"x": {"int": [0, 7]}, "y": {"int": [0, 7]}}
"""The space on which the sampler of a function is tried: the function's own is not known before it runs."""


def check(declared: dict[str, Any]) -> list[Mistake]:
    """What is wrong with the sampler and the pruner. They are built, and run on a study in memory.

    Args:
        declared: The study file's content. A section with a wrong form is skipped, since validation reports it.
    """
    mistakes = []
    defaults = {"sampler": StudyFile.model_fields["sampler"].default, "pruner": default_pruner(declared)}
    for field, module in (("sampler", optuna.samplers), ("pruner", pruners)):
        try:
            spec = OptunaSpec.model_validate(declared.get(field, defaults[field]))
        except ValidationError:
            continue
        if (error := _error_of(module, spec, declared)) is not None:
            mistakes.append(_mistake(field, module, spec, declared, error))
    return mistakes


def _error_of(module: ModuleType, spec: OptunaSpec, declared: dict[str, Any]) -> Exception | None:
    """What a sampler or a pruner raises when it is built and run; None if nothing."""
    space, several = _space(declared), n_objectives(declared) > 1
    of_function = declared.get("objective") is not None
    try:
        if module is pruners:
            _check_objectives(spec, several=several)
            built = build_from_spec(module, spec, space or Space(), seed=0)
            if not several:
                draws.try_pruner(built, "minimize" if declared.get("direction") == "minimize" else "maximize")
        elif space is None:
            if spec.name not in ENUMERATING:
                build_from_spec(module, spec, Space(), seed=0)
        else:
            if not of_function:
                _check_values(spec, space)
            seeded = SeededSampler(lambda seed: build_from_spec(module, _eager(spec), space, seed), 0, fixed=False)
            build_from_spec(module, spec, space, seed=0)
            if not of_function:
                draws.try_sampler(seeded, space, n_objectives(declared))
            elif spec.name not in ENUMERATING:
                draws.try_sampler(seeded, Space.model_validate({"model": UNKNOWN}), n_objectives(declared))
    except Exception as error:  # each sampler has its own
        return error
    return None


def _eager(spec: OptunaSpec) -> OptunaSpec:
    """The same sampler with few random trials at the start, so that a few trials reach its own proposals."""
    startup = spec.init_args.get("n_startup_trials", 0)
    if type(startup) is not int or startup <= draws.N_FINISHED:
        return spec
    return spec.model_copy(update={"init_args": {**spec.init_args, "n_startup_trials": draws.N_FINISHED}})


def _mistake(field: str, module: ModuleType, spec: OptunaSpec, declared: dict[str, Any], error: Exception) -> Mistake:
    """An error of a sampler or a pruner, in one line that names the argument that causes it."""
    if isinstance(error, SpecError):
        return Mistake(f"{field}.{error.field}", error.value, error.hint)
    if isinstance(error, ImportError):
        package = getattr(error.__cause__ or error, "name", None) or "the package that it names"
        return Mistake(f"{field}.name", spec.name, f"needs a package that is not installed: pip install {package}")
    if "multi-objective" in str(error):
        hint = "cannot do several objectives; use TPESampler, NSGAIISampler or RandomSampler"
        return Mistake(f"{field}.name", spec.name, hint)
    reason = first_line(error)
    for name, value in spec.init_args.items():
        others = {key: other for key, other in spec.init_args.items() if key != name}
        without = _error_of(module, spec.model_copy(update={"init_args": others}), declared)
        if str(without) != str(error):
            return Mistake(f"{field}.init_args.{name}", value, f"{spec.name} says: {reason}")
    if spec.init_args:
        return Mistake(f"{field}.init_args", spec.init_args, f"{spec.name} says: {reason}")
    return Mistake(f"{field}.name", spec.name, f"{spec.name} says: {reason}")


def _check_objectives(spec: OptunaSpec, *, several: bool) -> None:
    """Refuses a pruner for another number of objectives than the study has."""
    if several and spec.name in {*pruners.__all__} - {*pruners.FOR_SEVERAL}:
        hint = "compares one objective, and this study has several; write DominatedPruner, or NopPruner for none"
        raise SpecError("name", spec.name, hint)
    inner = {f"init_args.{key}.name": value.get("name") for key, value in spec.init_args.items() if _is_table(value)}
    for field, name in {"name": spec.name, **inner}.items():
        if name == "DominatedPruner" and not several:
            raise SpecError(field, name, "compares several objectives, and this study has one; write MedianPruner")


def _is_table(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _check_values(spec: OptunaSpec, space: Space) -> None:
    """Checks parameter values in a sampler's arguments against the space."""
    if spec.name in ENUMERATING:
        _check_countable(spec, space)
    for argument in ("search_space", "fixed_params", "x0"):
        given = spec.init_args.get(argument)
        if not isinstance(given, dict):
            continue
        for name, values in given.items():
            for value in values if argument == "search_space" and isinstance(values, list) else [values]:
                if hint := refused(space, {name: value}).get(name):
                    raise SpecError(f"init_args.{argument}.{name}", value, hint)
        missing = [name for name in space.names if name not in given]
        if argument == "search_space" and missing and not space.conditional:
            hint = f"has no values for {missing[0]}; add {missing[0]} = [...]"
            raise SpecError(f"init_args.{argument}", given, hint)


def _check_countable(spec: OptunaSpec, space: Space) -> None:
    """Refuses a space that a sampler cannot enumerate: it has no steps, or too many points."""
    if "search_space" in spec.init_args:
        return
    total = 1
    for entry in space.entries:
        parameter = entry.parameter.item if isinstance(entry.parameter, ListParameter) else entry.parameter
        if isinstance(parameter, FixedParameter):
            continue
        count = parameter.counted()
        if count is None:
            hint = f"needs steps or choices for every parameter of the space; add step = ... to {entry.name}"
            raise SpecError("name", spec.name, hint)
        total = total * count if spec.name == "GridSampler" else max(total, count)
    if total > MOST_POINTS:
        hint = f"lists all of {total:,} values at once; write steps or choices that make {MOST_POINTS:,} at most"
        raise SpecError("name", spec.name, hint)


def _space(declared: dict[str, Any]) -> Space | None:
    """The study's space; None if its form is wrong, which validation reports."""
    try:
        return Space.model_validate(declared.get("space", {}))
    except ValidationError:
        return None
