"""Optuna's samplers and pruners by their own names, and a sampler that draws the same whenever a trial is asked."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from lightsearch.errors import Mistake, did_you_mean
from lightsearch.space import Space
from lightsearch.study_file import OptunaSpec, StudyFile

FIXED_SEED = {"GridSampler", "QMCSampler"}
"""Samplers that walk through one sequence, whose order the seed decides: all their trials need the same seed."""


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


def check(declared: dict[str, Any]) -> list[Mistake]:
    """What is wrong with the names and arguments of the sampler and the pruner.

    Args:
        declared: The study file as it is written; a section whose form is wrong is left to its own validation.
    """
    mistakes = []
    for field, module in (("sampler", optuna.samplers), ("pruner", optuna.pruners)):
        try:
            spec = OptunaSpec.model_validate(declared.get(field, StudyFile.model_fields[field].default))
            built = _build(module, spec, _space(declared), seed=0)
            if field == "sampler":
                _check_several(built, spec, declared.get("metric"))
        except ValidationError:
            continue
        except _SpecError as error:
            mistakes.append(Mistake(f"{field}.{error.field}", error.value, error.mend))
        except (TypeError, ValueError, ImportError) as error:
            mistakes.append(Mistake(f"{field}.init_args", spec.init_args, f"{spec.name} says: {error}"))
    return mistakes


def _check_several(sampler: BaseSampler, spec: OptunaSpec, metric: object) -> None:
    """Has a sampler that cannot do several objectives say so, by asking it for a trial of a study that has them."""
    if not isinstance(metric, list) or len(metric) < 2:
        return
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(directions=["minimize"] * len(metric))
        study.ask()
        (trial,) = study.trials
        sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
    except ValueError as error:
        if "multi-objective" not in str(error):
            raise
        mend = "cannot do several objectives; use TPESampler, NSGAIISampler or RandomSampler"
        raise _SpecError("name", spec.name, mend) from None
    finally:
        optuna.logging.set_verbosity(verbosity)


def _space(declared: dict[str, Any]) -> Space:
    try:
        return Space.model_validate(declared.get("space", {}))
    except ValidationError:
        return Space()


class _SpecError(Exception):
    def __init__(self, field: str, value: object, mend: str) -> None:
        self.field, self.value, self.mend = field, value, mend


def _build(module: ModuleType, spec: OptunaSpec, space: Space, seed: int) -> Any:
    base = BaseSampler if module is optuna.samplers else BasePruner
    known = [name for name in module.__all__ if isinstance(getattr(module, name), type) and name != base.__name__]
    if spec.name not in known:
        raise _SpecError("name", spec.name, did_you_mean(spec.name, known))
    build = getattr(module, spec.name)
    accepted = inspect.signature(build).parameters
    for name in spec.init_args:
        if name not in accepted:
            raise _SpecError(f"init_args.{name}", spec.init_args[name], did_you_mean(name, accepted))
    arguments = {name: _argument(module, value, space, seed) for name, value in spec.init_args.items()}
    if spec.name == "TPESampler" and (space.conditional or not space.entries):
        # Otherwise parameters that only some trials have are sampled one by one, at random. A function may have such.
        arguments = {"multivariate": True, "group": True, **arguments}
    if "seed" in accepted:
        arguments.setdefault("seed", seed)
    if "search_space" in accepted and "search_space" not in arguments:
        grid = space.grid() or None  # of a function nothing is known beforehand
        if grid is None and accepted["search_space"].default is inspect.Parameter.empty:
            mend = "needs steps or choices for every parameter of the space; add step = ..."
            if not space.entries:
                mend = "needs the values of every parameter; add init_args = { search_space = { NAME = [...] } }"
            raise _SpecError("name", spec.name, mend)
        if grid is not None:
            arguments["search_space"] = grid
    with warnings.catch_warnings():
        # The study file names it, so that it may change in a later version of Optuna is no news.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return build(**arguments)


def _argument(module: ModuleType, value: object, space: Space, seed: int) -> object:
    if isinstance(value, dict) and isinstance(value.get("name"), str) and hasattr(module, value["name"]):
        return _build(module, OptunaSpec.model_validate(value), space, seed)
    return value
