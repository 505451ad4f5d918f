"""Optuna's samplers and pruners by their own names, and a sampler that draws the same whenever a trial is asked."""

from __future__ import annotations

import collections.abc
import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, get_type_hints

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lightsearch import draws
from lightsearch.enqueued import refused
from lightsearch.errors import Mistake, did_you_mean
from lightsearch.space import FixedParameter, ListParameter, Space
from lightsearch.study_file import OptunaSpec, StudyFile

FIXED_SEED = {"GridSampler", "QMCSampler"}
"""Samplers that walk through one sequence, whose order the seed decides: all their trials need the same seed."""
ENUMERATING = {"GridSampler", "BruteForceSampler"}
"""Samplers that visit every point of the space once, and are through then."""
MOST_POINTS = 1_000_000
"""Points of a grid, or values of one parameter, that a sampler that enumerates lists at once."""
UNKNOWN = {"x": {"int": [0, 7]}, "y": {"int": [0, 7]}}
"""What the sampler of a function is tried on, whose own space is known once it runs."""
ARBITRARY = ConfigDict(arbitrary_types_allowed=True)
HINTED = {**vars(collections.abc), "FrozenTrial": FrozenTrial, "Study": Study, "BaseDistribution": BaseDistribution}
"""Names that Optuna's signatures use and its modules import for type checkers alone."""


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of trial ``number``, below 2**32: the same on every run, and independent between trials.

    Mixed by numpy's SeedSequence, so that neighbouring study seeds share no trial seeds.
    """
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


class SeededSampler(BaseSampler):
    """Gives every trial a sampler of its own, seeded from (study seed, trial number).

    A sampler that lives as long as a process draws from where it stands; made anew on resume it repeats itself.
    One made for each trial depends on nothing but the study's history, so that 3 trials and then 3 more equal 6.

    Args:
        make: Builds the sampler from a seed.
        study_seed: The study's seed.
        fixed: All trials get a sampler with the study's seed itself.
    """

    def __init__(self, make: Callable[[int], BaseSampler], study_seed: int, *, fixed: bool) -> None:
        self._make = make
        self._study_seed = study_seed
        self._fixed = fixed
        self._samplers: dict[int, BaseSampler] = {}

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._samplers:
            seed = self._study_seed if self._fixed else trial_seed(self._study_seed, trial.number)
            self._samplers[trial.number] = self._make(seed)
        return self._samplers[trial.number]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._samplers.pop(trial.number, None)  # of an earlier start, which may have drawn half of the parameters
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        try:
            self._of(trial).after_trial(study, trial, state, values)
        except RuntimeError as error:
            # Samplers that enumerate call study.stop() when they are through, which Optuna allows inside
            # study.optimize alone. The coordinator finds out by itself (see Coordinator: the space is exhausted).
            if "Study.stop" not in str(error):
                raise
        finally:
            self._samplers.pop(trial.number, None)

    def is_through(self, study: Study) -> bool:
        """Whether a sampler that enumerates has nothing left, as it says at the end of a trial."""
        finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        if not finished:
            return False
        last = max(finished, key=lambda trial: trial.number)
        try:
            self._make(self._study_seed).after_trial(study, last, last.state, last.values)
        except RuntimeError as error:
            if "Study.stop" not in str(error):
                raise
            return True
        return False


def seeded_sampler(study_file: StudyFile) -> SeededSampler:
    """The study's sampler."""
    spec, space = study_file.sampler, study_file.space
    return SeededSampler(
        lambda seed: _build(optuna.samplers, spec, space, seed), study_file.seed, fixed=spec.name in FIXED_SEED
    )


def pruner(study_file: StudyFile) -> BasePruner:
    """The study's pruner; of several objectives none, since Optuna prunes by one."""
    if study_file.several:
        return optuna.pruners.NopPruner()
    built: BasePruner = _build(optuna.pruners, study_file.pruner, study_file.space, study_file.seed)
    return built


def points(study_file: StudyFile) -> int | None:
    """How many configurations a sampler that enumerates has; None if they cannot be counted beforehand."""
    values = study_file.sampler.init_args.get("search_space")
    return study_file.space.points if values is None else math.prod(len(these) for these in values.values())


def check(declared: dict[str, Any]) -> list[Mistake]:
    """What is wrong with the sampler and the pruner: they are built, and asked for a trial of the study in memory.

    Args:
        declared: The study file as it is written; a section whose form is wrong is left to its own validation.
    """
    mistakes = []
    for field, module in (("sampler", optuna.samplers), ("pruner", optuna.pruners)):
        try:
            spec = OptunaSpec.model_validate(declared.get(field, StudyFile.model_fields[field].default))
        except ValidationError:
            continue
        if (error := _tried(module, spec, declared)) is not None:
            mistakes.append(_mistake(field, module, spec, declared, error))
    return mistakes


def _tried(module: ModuleType, spec: OptunaSpec, declared: dict[str, Any]) -> Exception | None:
    """What a sampler or a pruner raises when it is built and asked."""
    space, metric = _space(declared), declared.get("metric")
    n_objectives = len(metric) if isinstance(metric, list) and metric else 1
    of_function = declared.get("objective") is not None
    try:
        if module is optuna.pruners:
            built = _build(module, spec, space or Space(), seed=0)
            if n_objectives == 1:
                draws.judge(built, declared["direction"] if declared.get("direction") == "minimize" else "maximize")
        elif space is None:
            if spec.name not in ENUMERATING:
                _build(module, spec, Space(), seed=0)
        else:
            if not of_function:
                _check_values(spec, space)
            seeded = SeededSampler(lambda seed: _build(module, _eager(spec), space, seed), 0, fixed=False)
            _build(module, spec, space, seed=0)
            if not of_function:
                draws.draw(seeded, space, n_objectives)
            elif spec.name not in ENUMERATING:
                draws.draw(seeded, Space.model_validate({"model": UNKNOWN}), n_objectives)
    except Exception as error:  # each sampler has its own
        return error
    return None


def _eager(spec: OptunaSpec) -> OptunaSpec:
    """The same sampler, which begins after a few trials, so that they suffice to see it at work."""
    startup = spec.init_args.get("n_startup_trials", 0)
    if type(startup) is not int or startup <= draws.FINISHED:
        return spec
    return spec.model_copy(update={"init_args": {**spec.init_args, "n_startup_trials": draws.FINISHED}})


def _mistake(field: str, module: ModuleType, spec: OptunaSpec, declared: dict[str, Any], error: Exception) -> Mistake:
    """What was raised, in a line that names the argument that is to blame."""
    if isinstance(error, _SpecError):
        return Mistake(f"{field}.{error.field}", error.value, error.mend)
    if isinstance(error, ImportError):
        package = getattr(error.__cause__ or error, "name", None) or "the package that it names"
        return Mistake(f"{field}.name", spec.name, f"needs a package that is not installed: pip install {package}")
    if "multi-objective" in str(error):
        mend = "cannot do several objectives; use TPESampler, NSGAIISampler or RandomSampler"
        return Mistake(f"{field}.name", spec.name, mend)
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    for name, value in spec.init_args.items():
        others = {key: other for key, other in spec.init_args.items() if key != name}
        without = _tried(module, spec.model_copy(update={"init_args": others}), declared)
        if str(without) != str(error):
            return Mistake(f"{field}.init_args.{name}", value, f"{spec.name} says: {reason}")
    if spec.init_args:
        return Mistake(f"{field}.init_args", spec.init_args, f"{spec.name} says: {reason}")
    return Mistake(f"{field}.name", spec.name, f"{spec.name} says: {reason}")


def _check_values(spec: OptunaSpec, space: Space) -> None:
    """Compares values of parameters that a sampler is given with the space."""
    if spec.name in ENUMERATING:
        _check_countable(spec, space)
    for argument in ("search_space", "fixed_params", "x0"):
        given = spec.init_args.get(argument)
        if not isinstance(given, dict):
            continue
        for name, values in given.items():
            for value in values if argument == "search_space" and isinstance(values, list) else [values]:
                if hint := refused(space, {name: value}).get(name):
                    raise _SpecError(f"init_args.{argument}.{name}", value, hint)
        missing = [name for name in space.names if name not in given]
        if argument == "search_space" and missing and not space.conditional:
            mend = f"has no values for {missing[0]}; add {missing[0]} = [...]"
            raise _SpecError(f"init_args.{argument}", given, mend)


def _check_countable(spec: OptunaSpec, space: Space) -> None:
    if "search_space" in spec.init_args:
        return
    total = 1
    for entry in space.entries:
        parameter = entry.parameter.item if isinstance(entry.parameter, ListParameter) else entry.parameter
        if isinstance(parameter, FixedParameter):
            continue
        count = parameter.counted()
        if count is None:
            mend = f"needs steps or choices for every parameter of the space; add step = ... to {entry.name}"
            raise _SpecError("name", spec.name, mend)
        total = total * count if spec.name == "GridSampler" else max(total, count)
    if total > MOST_POINTS:
        mend = f"lists all of {total:,} values at once; write steps or choices that make {MOST_POINTS:,} at most"
        raise _SpecError("name", spec.name, mend)


def _space(declared: dict[str, Any]) -> Space | None:
    """The study's space; None if its form is wrong, which is reported elsewhere."""
    try:
        return Space.model_validate(declared.get("space", {}))
    except ValidationError:
        return None


class _SpecError(Exception):
    def __init__(self, field: str, value: object, mend: str) -> None:
        self.field, self.value, self.mend = field, value, mend


def _build(module: ModuleType, spec: OptunaSpec, space: Space, seed: int) -> Any:
    exported = {name: getattr(module, name) for name in module.__all__}
    known = [name for name, cls in exported.items() if isinstance(cls, type) and not inspect.isabstract(cls)]
    if spec.name not in known:
        raise _SpecError("name", spec.name, did_you_mean(spec.name, known))
    build = getattr(module, spec.name)
    accepted = inspect.signature(build).parameters
    for name in spec.init_args:
        if name not in accepted:
            raise _SpecError(f"init_args.{name}", spec.init_args[name], did_you_mean(name, accepted))
    if "seed" in spec.init_args:
        mend = "every trial would be given the same values; write seed = N at the top of the file, or --seed N"
        raise _SpecError("init_args.seed", spec.init_args["seed"], mend)
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
            mend = "needs parameters that every trial has; use BruteForceSampler"
            if not space.entries:
                mend = "needs the values of every parameter; add init_args = { search_space = { NAME = [...] } }"
            raise _SpecError("name", spec.name, mend)
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
            return _build(module, OptunaSpec.model_validate(value), space, seed)
        except _SpecError as error:
            raise _SpecError(f"init_args.{name}.{error.field}", error.value, error.mend) from None
        except ValidationError:
            raise _SpecError(f"init_args.{name}", value, "write { name = ..., init_args = { ... } }") from None
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
            mend = f"{spec.name} takes {_words(inspect.signature(build).parameters[name].annotation)} for {name}"
            raise _SpecError(f"init_args.{name}", spec.init_args[name], mend) from None
        if name.startswith("n_") and isinstance(value, int) and value < 0:
            raise _SpecError(f"init_args.{name}", value, "is a number of trials or steps; write 0 or more")
