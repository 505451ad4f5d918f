"""The sampler and the pruner that a study declares, and how long a sampler lives: one trial, or a process."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import is_stop_request
from lightsearch.declare.scheduling import scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.study import draws, pruners
from lightsearch.study.optuna_objects import build_from_spec
from lightsearch.study.origin import is_foreign
from lightsearch.study.spec_error import described

FIXED_SEED = {"GridSampler", "QMCSampler"}
"""Samplers that follow one sequence, whose order depends on the seed: all their trials need the same seed."""

ENUMERATING = {"GridSampler", "BruteForceSampler"}
"""Samplers that visit every point of the space once, and then have no more."""

ONE_AT_A_TIME = {*ENUMERATING, "QMCSampler"}
"""Samplers that look which points are taken: two that sample at the same time would take the same point."""


class SamplerFailed(ResourceUnavailable):
    """A sampler has raised an error when it was told how a trial ended. The trial is recorded.

    Args:
        message: What happened, in one line.
        cause: What the sampler raised.
    """

    def __init__(self, message: str, cause: Exception) -> None:
        super().__init__(message)
        self.cause = cause


def study_sampler(study_file: StudyFile) -> SeededSampler | LivingSampler:
    """The sampler of a coordinator, which proposes the parameters of all trials but those of a function."""
    if study_file.objective is None and not study_file.sampler.of_optuna:
        return LivingSampler(_maker(study_file), study_file.seed, study_file.sampler.label)
    return seeded_sampler(study_file)


def seeded_sampler(study_file: StudyFile) -> SeededSampler:
    """The sampler of a study, built anew for each trial: Optuna's own, and that of a function's worker."""
    return SeededSampler(_maker(study_file), study_file.seed, fixed=study_file.sampler.name in FIXED_SEED)


def _maker(study_file: StudyFile) -> Callable[[int], BaseSampler]:
    return lambda seed: build_from_spec(optuna.samplers, study_file.sampler, study_file.space, seed)


def samples_alone(study_file: StudyFile) -> bool:
    """Whether coordinators take turns to sample. What a class that is not Optuna's looks at is not known."""
    return study_file.sampler.name in ONE_AT_A_TIME or not study_file.sampler.of_optuna


def pruner(study_file: StudyFile) -> BasePruner:
    """The study's pruner; where a scheduler pauses trials, nothing is pruned."""
    if scheduler_of(study_file).name != "none":
        return optuna.pruners.NopPruner()
    built: BasePruner = build_from_spec(pruners, study_file.pruner, study_file.space, study_file.seed)
    return built


def is_exhausted(study_file: StudyFile, study: Study, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the study's sampler has visited every point of the space.

    Args:
        study_file: The study file.
        study: The study.
        trials: All trials of the study.
    """
    if study_file.sampler.name not in ENUMERATING:
        return draws.has_stopped(study.sampler)
    points = _points(study_file) if study_file.objective is None else None
    if points is None:
        return seeded_sampler(study_file).is_exhausted(study)
    return len({tuple(sorted(trial.params.items())) for trial in trials if not is_foreign(trial)}) >= points


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of trial ``number``, below 2**32: the same in every run, and independent between trials.

    numpy's SeedSequence mixes the two, so that neighbouring study seeds share no trial seeds.
    """
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


class SeededSampler(BaseSampler):
    """Gives every trial its own sampler, seeded from (study seed, trial number).

    A sampler that lives as long as its process depends on what it has drawn before; a new one after a restart repeats
    its first draws. A sampler for each trial depends on the study's history alone, so that 3 trials and then 3 more
    equal 6.

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
        self._random: dict[int, BaseSampler] = {}
        """What samples the parameters that a sequence leaves out."""
        self.has_stopped = False
        """Whether a sampler has asked Optuna to stop."""

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._samplers:
            seed = self._study_seed if self._fixed else trial_seed(self._study_seed, trial.number)
            self._samplers[trial.number] = self._make(seed)
        return self._samplers[trial.number]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._forget(trial)  # those of an earlier attempt may have drawn half of the parameters
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
        sampler = self._of(trial)
        if isinstance(sampler, QMCSampler):
            # A sequence has no choices, and begins when a trial is complete. With the sequence's seed, which is that of
            # all trials, every trial would be given the same values.
            seed = trial_seed(self._study_seed, trial.number)
            sampler = self._random.setdefault(trial.number, RandomSampler(seed=seed))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        try:
            self._of(trial).after_trial(study, trial, state, values)
        except RuntimeError as error:
            if not is_stop_request(error):  # the queue of trials finds out by itself: see is_exhausted above
                raise
            self.has_stopped = True
        finally:
            self._forget(trial)

    def _forget(self, trial: FrozenTrial) -> None:
        self._samplers.pop(trial.number, None)
        self._random.pop(trial.number, None)

    def is_exhausted(self, study: Study) -> bool:
        """Whether a sampler that enumerates asks Optuna to stop after the study's last finished trial."""
        finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        if not finished:
            return False
        last = max(finished, key=lambda trial: trial.number)
        try:
            self._make(self._study_seed).after_trial(study, last, last.state, last.values)
        except RuntimeError as error:
            if not is_stop_request(error):
                raise
            return True
        return False


class LivingSampler(BaseSampler):
    """A sampler that lives as long as its process, since it may keep what it needs in memory.

    It is built for the first trial that it is asked for, and seeded from (study seed, number of that trial). A search
    that continues builds it from the study's history, as Optuna asks of every sampler, and does not repeat its draws.

    Args:
        make: Builds the sampler from a seed.
        study_seed: The study's seed.
        name: Its name, for messages.
    """

    def __init__(self, make: Callable[[int], BaseSampler], study_seed: int, name: str) -> None:
        self._make = make
        self._study_seed = study_seed
        self._name = name
        self._sampler: BaseSampler | None = None
        self.has_stopped = False
        """Whether the sampler has asked Optuna to stop: it has no more to propose."""

    def _built(self, trial: FrozenTrial) -> BaseSampler:
        if self._sampler is None:
            self._sampler = self._make(trial_seed(self._study_seed, trial.number))
        return self._sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if not trial.params:  # otherwise the trial continues, and was asked for before
            self._built(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._built(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._built(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._built(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tells the sampler how a trial ended, whichever process has asked for it.

        Raises:
            SamplerFailed: if the sampler raises an error. Optuna records the trial nevertheless.
        """
        try:
            self._built(trial).after_trial(study, trial, state, values)
        except Exception as error:
            if isinstance(error, RuntimeError) and is_stop_request(error):
                self.has_stopped = True
                return
            message = f"sampler {self._name} fails after trial {trial.number}: {described(error)}"
            raise SamplerFailed(message, error) from error


def _points(study_file: StudyFile) -> int | None:
    """How many points the sampler visits; None if they cannot be counted beforehand."""
    values = study_file.sampler.init_args.get("search_space")
    return study_file.space.points if values is None else math.prod(len(these) for these in values.values())
