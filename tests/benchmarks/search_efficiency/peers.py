"""Search methods of other packages, driven by their own ask and tell under the same clock and accounting.

Their packages are needed for this alone, and their dependencies do not all go together with this project's, so they are
best installed in an environment of their own, with ``pip install PACKAGE``:

- ``syne-tune-asha``, ``syne-tune-bohb``: syne-tune; ``syne-tune-cqr`` and ``syne-tune-asha-cqr`` (both slow):
  "syne-tune[blackbox-repository]" and huggingface_hub
- ``smac``: smac
- ``hebo``: HEBO
- ``ray-asha``: "ray[tune]"

Settings are the packages' defaults, but for the space, the seed and the least and the most epochs, 1 and a full
training. Trials that a method stops at a rung and takes up again continue from their last epoch. A method without
early ends is told the best value of a whole training, the others the value after each epoch.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.values import Value
from tests.benchmarks.search_efficiency.clock import Assignment
from tests.benchmarks.search_efficiency.setup import Setup

METRIC = "val_acc"


class SyneTune:
    """A scheduler of Syne Tune (Salinas et al., 2022).

    Args:
        setup: The study.
        scheduler: Its name in ``syne_tune.optimizer.baselines``. Those of several fidelities continue trials or stop
            them: ``ASHA`` (random), ``BOHB`` (density estimates), ``ASHACQR`` (conformal quantile regression).
        whole: Whether it sees whole trainings only: ``CQR``.
    """

    def __init__(self, setup: Setup, scheduler: str, *, whole: bool = False) -> None:
        from syne_tune.optimizer import baselines

        np.random.seed(setup.seed % 2**32)  # some of it draws from the global generator
        space = {name: _syne_tune_domain(domain) for name, domain in distributions(setup.study_file).items()}
        given = {"do_minimize": False, "random_seed": setup.seed % 2**31}
        if not whole:
            given |= {"time_attr": "epoch", "max_t": setup.epochs}
        self.scheduler = getattr(baselines, scheduler)(space, METRIC, **given)
        self.epochs, self.whole = setup.epochs, whole
        self.trials: dict[int, Any] = {}
        self.best: dict[int, float] = {}

    def ask(self) -> Assignment:
        from syne_tune.backend.trial_status import Trial

        suggestion, number = self.scheduler.suggest(), len(self.trials)
        self.trials[number] = Trial(number, suggestion.config, datetime.now())
        self.scheduler.on_trial_add(self.trials[number])
        return Assignment(number, _plain(suggestion.config))

    def report(self, number: int, epoch: int, value: float) -> bool:
        trial = self.trials[number]
        self.best[number] = max(self.best.get(number, -math.inf), value)
        if self.whole:
            if epoch == self.epochs:
                self.scheduler.on_trial_complete(trial, {METRIC: self.best[number]})
            return True
        goes_on: bool = self.scheduler.on_trial_result(trial, {METRIC: value, "epoch": epoch}) == "CONTINUE"
        if not goes_on:
            self.scheduler.on_trial_remove(trial)
        return goes_on


class Smac:
    """The multi-fidelity facade of SMAC3 (Lindauer et al., 2022): Hyperband with a random forest.

    Args:
        setup: The study.
    """

    def __init__(self, setup: Setup) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import MultiFidelityFacade, Scenario

        self._folder = tempfile.TemporaryDirectory()
        domains = distributions(setup.study_file)
        space = ConfigurationSpace(seed=setup.seed % 2**31)
        space.add([_config_space_parameter(name, domain) for name, domain in domains.items()])
        scenario = Scenario(
            space,
            deterministic=True,
            n_trials=100_000,  # the search ends by its epochs
            min_budget=1,
            max_budget=setup.epochs,
            seed=setup.seed % 2**31,
            output_directory=self._folder.name,  # type: ignore[arg-type]
        )
        self.facade = MultiFidelityFacade(scenario, lambda config, seed, budget: 0.0, logging_level=False)
        self.numbers: dict[Any, int] = {}
        self.best: dict[int, float] = {}
        self.asked: dict[int, Any] = {}

    def ask(self) -> Assignment | None:
        info = self.facade.ask()
        number = self.numbers.setdefault(info.config, len(self.numbers))
        self.asked[number] = info
        return Assignment(number, _plain(dict(info.config)))

    def report(self, number: int, epoch: int, value: float) -> bool:
        from smac.runhistory.dataclasses import TrialValue

        self.best[number] = max(self.best.get(number, -math.inf), value)
        if epoch < round(self.asked[number].budget):
            return True
        self.facade.tell(self.asked.pop(number), TrialValue(cost=-self.best[number]), save=False)
        return False


class Hebo:
    """HEBO (Cowen-Rivers et al., 2022): a Gaussian process over whole trainings.

    Args:
        setup: The study.
    """

    def __init__(self, setup: Setup) -> None:
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        np.random.seed(setup.seed % 2**32)
        torch.manual_seed(setup.seed)
        torch.set_num_threads(1)
        self.epochs = setup.epochs
        domains = distributions(setup.study_file)
        parameters = [_hebo_parameter(name, domain) for name, domain in domains.items()]
        self.optimizer = HEBO(DesignSpace().parse(parameters), scramble_seed=setup.seed)
        self.suggestions: list[Any] = []
        self.best: dict[int, float] = {}

    def ask(self) -> Assignment:
        suggestion = self.optimizer.suggest(1)
        self.suggestions.append(suggestion)
        return Assignment(len(self.suggestions) - 1, _plain(suggestion.iloc[0].to_dict()))

    def report(self, number: int, epoch: int, value: float) -> bool:
        self.best[number] = max(self.best.get(number, -math.inf), value)
        if epoch < self.epochs:
            return True
        self.optimizer.observe(self.suggestions[number], np.array([[-self.best[number]]]))
        return False


class RayAsha:
    """Ray Tune's ``ASHAScheduler`` (Liaw et al., 2018) with random configurations; no cluster is started.

    Args:
        setup: The study.
    """

    def __init__(self, setup: Setup) -> None:
        from ray.tune.schedulers import ASHAScheduler

        self.scheduler = ASHAScheduler(metric=METRIC, mode="max", max_t=setup.epochs)
        self.space = setup.study_file.space
        self.random = optuna.create_study(sampler=optuna.samplers.RandomSampler(setup.seed))
        self.trials: list[Any] = []

    def ask(self) -> Assignment:
        trial = SimpleNamespace(trial_id=str(len(self.trials)))  # the scheduler looks at nothing else
        self.trials.append(trial)
        self.scheduler.on_trial_add(None, trial)
        return Assignment(len(self.trials) - 1, self.space.suggest(self.random.ask()))

    def report(self, number: int, epoch: int, value: float) -> bool:
        result = {METRIC: value, "training_iteration": epoch}
        return bool(self.scheduler.on_trial_result(None, self.trials[number], result) == "CONTINUE")


def distributions(study_file: StudyFile) -> dict[str, BaseDistribution]:
    """The domains of the space's parameters."""
    trial = optuna.create_study().ask()
    study_file.space.suggest(trial)
    return dict(trial.distributions)


def _plain(params: Mapping[str, Any]) -> dict[str, Value]:
    """Python's numbers in place of NumPy's."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}


def _syne_tune_domain(domain: Any) -> Any:
    from syne_tune import config_space

    if isinstance(domain, CategoricalDistribution):
        return config_space.choice(list(domain.choices))
    if isinstance(domain, IntDistribution):
        return (config_space.lograndint if domain.log else config_space.randint)(domain.low, domain.high)
    return (config_space.loguniform if domain.log else config_space.uniform)(domain.low, domain.high)


def _config_space_parameter(name: str, domain: Any) -> Any:
    from ConfigSpace import Categorical, Float, Integer

    if isinstance(domain, CategoricalDistribution):
        return Categorical(name, list(domain.choices))
    kind = Integer if isinstance(domain, IntDistribution) else Float
    return kind(name, (domain.low, domain.high), log=domain.log)


def _hebo_parameter(name: str, domain: Any) -> dict[str, Any]:
    if isinstance(domain, CategoricalDistribution):
        return {"name": name, "type": "cat", "categories": list(domain.choices)}
    kind = {(True, True): "pow_int", (True, False): "int", (False, True): "pow", (False, False): "num"}
    return {
        "name": name,
        "type": kind[isinstance(domain, IntDistribution), domain.log],
        "lb": domain.low,
        "ub": domain.high,
    }
