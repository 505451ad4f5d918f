"""Samplers and pruners as users write them, for the tests: a module in a folder of their own."""

from __future__ import annotations

SAMPLERS = '''
import abc
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler

def log(*words):
    with open("events.txt", "a") as file:
        print(*words, file=file)

class Counting(BaseSampler):
    """Proposes the lowest value of each range, then the next: it counts in memory, and begins with the history."""

    def __init__(self, at_most: int = 99, seed: int | None = None) -> None:
        log("new", seed)
        self.at_most, self.count = at_most, None

    def before_trial(self, study, trial):
        log("before", trial.number)
        if self.count is None:
            self.count = sum(one.state.is_finished() for one in study.get_trials(deepcopy=False))

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        self.count += 1
        if isinstance(param_distribution, IntDistribution):
            return param_distribution.low + (self.count - 1) * param_distribution.step
        return param_distribution.choices[(self.count - 1) % len(param_distribution.choices)]

    def after_trial(self, study, trial, state, values):
        log("after", trial.number, state.name, *(values or ()))
        if self.count >= self.at_most:
            study.stop()

class Inherits(RandomSampler):
    def __init__(self, width: tuple[int, int] = (0, 1), **kwargs) -> None:
        super().__init__(**kwargs)
        self.width, self.kwargs = width, kwargs

class NeedsSpace(RandomSampler):
    def __init__(self, search_space: dict[str, BaseDistribution], popsize: int, seed: int | None = None) -> None:
        super().__init__(seed)
        self.search_space = search_space

class Ensemble(RandomSampler):
    def __init__(self, samplers: list[BaseSampler], share: float = 0.5) -> None:
        super().__init__()
        self.samplers = samplers

class Refuses(RandomSampler):
    def __init__(self, temperature: float, cooling: float = 1.0) -> None:
        super().__init__()
        if temperature < 0:
            raise ValueError("the temperature is below zero")

class Fails(RandomSampler):
    def sample_relative(self, study, trial, search_space):
        raise KeyError("generation")

class FailsAfter(RandomSampler):
    def after_trial(self, study, trial, state, values):
        raise KeyError("generation")

class OnlyOnce(RandomSampler):
    """Knows its own trials only."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mine = set()

    def before_trial(self, study, trial):
        self.mine.add(trial.number)
        missing = [one.number for one in study.get_trials(deepcopy=False) if one.number not in self.mine]
        if missing:
            raise RuntimeError(f"trial {missing[0]} is not mine")

class NoSampler:
    pass

class Unfinished(BaseSampler, abc.ABC):
    def infer_relative_search_space(self, study, trial):
        return {}
'''

PRUNERS = '''
from optuna.pruners import BasePruner

class AfterFirst(BasePruner):
    """Prunes each trial at its first step, if a finished one had more of what the user noted."""

    def __init__(self, width: str) -> None:
        self.width = width

    def prune(self, study, trial):
        widths = [one.params[self.width] for one in study.get_trials(deepcopy=False) if one.state.is_finished()]
        return any(width > trial.params[self.width] for width in widths if self.width in trial.params)
'''
