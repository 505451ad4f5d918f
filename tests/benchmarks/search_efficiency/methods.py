"""The search methods: this project's, and Optuna's. Those of other packages are in ``peers``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from lightsearch.declare.scheduling import patience_in_training
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.values import Value
from lightsearch.study import samplers
from lightsearch.study.learning import believed
from lightsearch.study.schedulers import Curve, Progress, Scheduler
from tests.benchmarks.search_efficiency import peers
from tests.benchmarks.search_efficiency.clock import Assignment, Search
from tests.benchmarks.search_efficiency.setup import MANY, Setup

PATIENCE = 3
"""Of the search without a scheduler."""


class Stopping:
    """Early stopping as Lightning's: ends a trial after ``patience`` epochs in a row without a higher value.

    Args:
        patience: 0: never.
        min_delta: The least improvement that counts.
    """

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.best, self.waited = -math.inf, 0

    def ends(self, value: float) -> bool:
        """Whether a trial ends after an epoch with this value."""
        if value - self.min_delta > self.best:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return 0 < self.patience <= self.waited


@dataclass
class _Running:
    """A trial that is not finished."""

    trial: Trial
    stopping: Stopping
    best: float = -math.inf


class OptunaSearch:
    """Trials that begin when a worker is free, and train until the pruner or early stopping ends them.

    Args:
        study_file: Its space is sampled.
        sampler: Proposes parameters.
        pruner: Ends trials.
        patience: Of early stopping; 0: none.
        first_step: The step of the first epoch. Optuna's halving takes steps for resources, which begin with 1.
    """

    def __init__(
        self,
        study_file: StudyFile,
        sampler: BaseSampler,
        pruner: BasePruner,
        patience: int = 0,
        first_step: int = 1,
    ) -> None:
        self.study_file, self.patience, self.first_step = study_file, patience, first_step
        self.study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self.running: dict[int, _Running] = {}

    def ask(self) -> Assignment:
        trial = self.study.ask()
        params = self.study_file.space.suggest(trial)
        self.running[trial.number] = _Running(trial, Stopping(self.patience, self.study_file.trainer.min_delta))
        return Assignment(trial.number, params)

    def report(self, number: int, epoch: int, value: float) -> bool:
        running = self.running[number]
        running.best = max(running.best, value)
        running.trial.report(value, epoch - 1 + self.first_step)
        last = epoch == self.study_file.trainer.max_epochs
        if not last and running.trial.should_prune():
            self._end(number, TrialState.PRUNED)
        elif running.stopping.ends(value) or last:
            self._end(number, TrialState.COMPLETE)
        return number in self.running

    def _end(self, number: int, state: TrialState) -> None:
        running = self.running.pop(number)
        self.study.tell(running.trial, running.best if state is TrialState.COMPLETE else None, state)


class ScheduledSearch:
    """Trials that a scheduler begins and continues, as the coordinator's queue of trials does.

    A paused trial is running to the study's sampler, with the values that it has reported. The scheduler takes the
    place of the pruner.

    Args:
        study_file: Its sampler proposes the parameters that the scheduler leaves to it.
        scheduler: Decides what trains next.
        patience: Of early stopping, which a pause does not interrupt; 0: none.
        n_trials: The study's total of trials.
    """

    def __init__(self, study_file: StudyFile, scheduler: Scheduler, patience: int, n_trials: int = MANY) -> None:
        self.study_file, self.scheduler, self.patience = study_file, scheduler, patience
        self.n_trials = n_trials
        sampler = samplers.seeded_sampler(study_file)
        self.study = optuna.create_study(direction=study_file.direction, sampler=sampler, pruner=NopPruner())
        self.curves: dict[int, Curve] = {}
        self.running: dict[int, _Running] = {}

    def ask(self) -> Assignment | None:
        decision = self.scheduler.decide(list(self.curves.values()), self.n_trials - len(self.curves))
        if decision is None:
            return None
        number = decision.number
        if number is None:
            number, params = self._begin(decision.params)
            self.curves[number] = Curve(number, params, Progress.PAUSED)
        curve = self.curves[number]
        if curve.progress is not Progress.PAUSED or decision.until <= curve.epochs:
            raise ValueError(f"{decision} for {curve}")
        self.curves[number] = replace(curve, progress=Progress.RUNNING, until=decision.until)
        return Assignment(number, curve.params)

    def report(self, number: int, epoch: int, value: float) -> bool:
        curve, running = self.curves[number], self.running[number]
        running.trial.report(value, epoch - 1)
        running.best = max(running.best, value)
        curve = replace(curve, values={**curve.values, epoch: value})
        if running.stopping.ends(value) or epoch == self.study_file.trainer.max_epochs:
            curve = replace(curve, progress=Progress.FINISHED)
            self.study.tell(running.trial, running.best)
        elif epoch >= curve.until:
            curve = replace(curve, progress=Progress.PAUSED)
        self.curves[number] = curve
        return curve.progress is Progress.RUNNING

    def _begin(self, params: dict[str, Value] | None) -> tuple[int, dict[str, Value]]:
        """A new trial's number and parameters: those given, or the sampler's."""
        if params is not None:
            self.study.enqueue_trial(dict(params))
        trial = self.study.ask()
        self.running[trial.number] = _Running(trial, Stopping(self.patience, self.study_file.trainer.min_delta))
        return trial.number, self.study_file.space.suggest(trial)


def default(setup: Setup) -> Search:
    """This project's search as a person gets it: the scheduler of the study, or the search without one."""
    from lightsearch.study.schedulers.choice import make_scheduler

    patience = patience_in_training(setup.study_file) if setup.patience is None else setup.patience
    scheduler = make_scheduler(setup.study_file, believed(setup.study_file, ()))
    if scheduler is None:
        return _sampler_and_pruner(setup.study_file, patience)
    return ScheduledSearch(setup.study_file, scheduler, patience, setup.n_trials)


def none(setup: Setup) -> Search:
    """This project's search without a scheduler: TPE, MedianPruner(5, 1), early stopping."""
    return _sampler_and_pruner(setup.study_file, PATIENCE)


def optuna_random(setup: Setup) -> Search:
    """Random configurations, trained to their end."""
    return OptunaSearch(setup.study_file, RandomSampler(setup.seed), NopPruner())


def optuna_tpe(setup: Setup) -> Search:
    """TPE, trained to the end."""
    return OptunaSearch(setup.study_file, TPESampler(seed=setup.seed), NopPruner())


def optuna_tpe_hyperband(setup: Setup) -> Search:
    """TPE with Optuna's Hyperband, which prunes within brackets."""
    pruner = HyperbandPruner(min_resource=1, max_resource=setup.epochs, reduction_factor=3)
    return OptunaSearch(setup.study_file, TPESampler(seed=setup.seed), pruner)


def optuna_random_asha(setup: Setup) -> Search:
    """Random configurations with Optuna's asynchronous successive halving, which prunes."""
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    return OptunaSearch(setup.study_file, RandomSampler(setup.seed), pruner)


METHODS: dict[str, Callable[[Setup], Search]] = {
    "default": default,
    "none": none,
    "optuna-random": optuna_random,
    "optuna-tpe": optuna_tpe,
    "optuna-tpe-hyperband": optuna_tpe_hyperband,
    "optuna-random-asha": optuna_random_asha,
    "syne-tune-asha": partial(peers.SyneTune, scheduler="ASHA"),
    "syne-tune-bohb": partial(peers.SyneTune, scheduler="BOHB"),
    "syne-tune-cqr": partial(peers.SyneTune, scheduler="CQR", whole=True),
    "syne-tune-asha-cqr": partial(peers.SyneTune, scheduler="ASHACQR"),
    "smac": peers.Smac,
    "hebo": peers.Hebo,
    "ray-asha": peers.RayAsha,
}
"""By the names of the command line."""


MODULES = {"syne-tune": "syne_tune", "smac": "smac", "hebo": "hebo", "ray": "ray"}
"""The module that methods need whose names begin so."""


def missing(method: str) -> str | None:
    """The module that a method needs and that is not there; None: it can run."""
    absent = (module for prefix, module in MODULES.items() if method.startswith(prefix) and find_spec(module) is None)
    return next(absent, None)


def _sampler_and_pruner(study_file: StudyFile, patience: int) -> Search:
    sampler, pruner = samplers.seeded_sampler(study_file), samplers.pruner(study_file)
    return OptunaSearch(study_file, sampler, pruner, patience, first_step=0)
