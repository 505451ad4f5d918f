"""What is wrong with a declared sampler or pruner, found by trying them before anything is stored."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeGuard

from optuna.samplers import BaseSampler
from pydantic import ValidationError

from lightsearch.declare.enqueued import refused
from lightsearch.declare.parameters import FixedParameter, ListParameter
from lightsearch.declare.sections import OptunaSpec
from lightsearch.declare.space import Space
from lightsearch.declare.study_file import StudyFile, default_pruner, n_objectives
from lightsearch.errors import Mistake, first_line
from lightsearch.study import draws, pruners
from lightsearch.study.optuna_classes import MODULES, find_optuna_class
from lightsearch.study.optuna_objects import build_from_spec
from lightsearch.study.samplers import ENUMERATING, LivingSampler, SamplerFailed, SeededSampler
from lightsearch.study.spec_error import SpecError, described

MOST_POINTS = 1_000_000
"""How many points of a grid, or values of one parameter, a sampler that enumerates may list at once."""

UNKNOWN = {"x": {"int": [0, 7]}, "y": {"int": [0, 7]}}
"""The space on which the sampler of a function is tried: the function's own is not known before it runs."""


def check(declared: dict[str, Any], say: Callable[[str], object] = lambda _: None) -> list[Mistake]:
    """What is wrong with the sampler and the pruner. They are built, and run on a study in memory.

    Args:
        declared: The study file's content.
        say: Takes notes, one line each: that a class is loaded, which may take long if it is not Optuna's, and that a
            sampler cannot continue a stopped search.
    """
    mistakes = []
    for field, spec in _declared_specs(declared).items():
        if not spec.of_optuna:
            say(f"loading the {field} {spec.name} ...")
        error = _error_of(MODULES[field], spec, declared)
        if isinstance(error, draws.CannotRestart):
            reason = described(error.cause.cause if isinstance(error.cause, SamplerFailed) else error.cause)
            say(f"the sampler {spec.label} cannot continue a stopped search, which needs another one then: {reason}")
        elif error is not None:
            mistakes.append(_mistake(field, MODULES[field], spec, declared, error))
    return mistakes


def _declared_specs(declared: dict[str, Any]) -> dict[str, OptunaSpec]:
    """The sampler and the pruner of a declaration. A section with a wrong form is left out: validation reports it."""
    defaults, found = {"sampler": StudyFile.model_fields["sampler"].default, "pruner": default_pruner(declared)}, {}
    for field in MODULES:
        with contextlib.suppress(ValidationError):
            found[field] = OptunaSpec.model_validate(declared.get(field, defaults[field]))
    return found


def _error_of(module: ModuleType, spec: OptunaSpec, declared: dict[str, Any]) -> Exception | None:
    """What a sampler or a pruner raises when it is built and run; None if nothing."""
    space, several = _space(declared), n_objectives(declared) > 1
    of_function = declared.get("objective") is not None
    try:
        if module is pruners:
            _check_objectives(spec, several=several)
            built = build_from_spec(module, spec, space or Space(), seed=0)
            # One that is not Optuna's may be made for a function's own parameters.
            if not several and (spec.of_optuna or not of_function):
                direction = declared.get("direction")
                draws.try_pruner(built, "minimize" if direction == "minimize" else "maximize", space or Space())
        elif space is None:
            if not spec.of_optuna:
                find_optuna_class(module, spec)
            elif spec.name not in ENUMERATING:
                build_from_spec(module, spec, Space(), seed=0)
        else:
            _try_sampler(module, spec, space, n_objectives(declared), of_function=of_function)
    except SamplerFailed as error:
        return error.cause
    except Exception as error:  # each sampler has its own
        return error
    return None


def _try_sampler(module: ModuleType, spec: OptunaSpec, space: Space, n_objectives: int, *, of_function: bool) -> None:
    """Builds a sampler and runs it on a study in memory.

    Raises:
        Exception: whatever the sampler raises.
    """

    def make(seed: int) -> BaseSampler:
        sampler: BaseSampler = build_from_spec(module, _eager(spec), space, seed)
        return sampler

    if not of_function:
        _check_values(spec, space)
    build_from_spec(module, spec, space, seed=0)
    seeded = SeededSampler(make, 0, fixed=False)
    if not spec.of_optuna:
        if not of_function:  # else it may be made for the function's own parameters
            living, restarted = (LivingSampler(make, 0, spec.label) for _ in range(2))
            draws.try_living_sampler(living, restarted, space, n_objectives)
    elif not of_function:
        draws.try_sampler(seeded, space, n_objectives)
    elif spec.name not in ENUMERATING:
        draws.try_sampler(seeded, Space.model_validate({"model": UNKNOWN}), n_objectives)


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
        return Mistake(f"{field}.name", spec.name, _missing(error))
    if "multi-objective" in str(error):
        hint = "cannot do several objectives; use TPESampler, NSGAIISampler or RandomSampler"
        return Mistake(f"{field}.name", spec.name, hint)
    says = f"{spec.label} says: {first_line(error)}" if spec.of_optuna else f"raises {described(error)}"
    for name, value in spec.init_args.items():
        others = {key: other for key, other in spec.init_args.items() if key != name}
        without = _error_of(module, spec.model_copy(update={"init_args": others}), declared)
        is_needed = isinstance(without, SpecError) and len(others) > 0  # so it tells nothing of the others
        if not is_needed and str(without) != str(error):
            return Mistake(f"{field}.init_args.{name}", value, says)
    if spec.init_args:
        return Mistake(f"{field}.init_args", spec.init_args, says)
    return Mistake(f"{field}.name", spec.name, says)


def _missing(error: ImportError) -> str:
    """The hint for a package that is not installed, or is but does not have what is imported from it."""
    name = getattr(error.__cause__ or error, "name", None)
    package = str(name).partition(".")[0]
    if name is not None and sys.modules.get(package) is not None:
        return f"does not go with an installed package: {described(error)}"
    return f"needs a package that is not installed: pip install {package if name else 'the package that it names'}"


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
