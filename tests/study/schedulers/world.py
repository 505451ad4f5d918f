"""Simulated trials for schedulers: a known learning curve for every configuration, and workers that train them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lightsearch.declare.space import Space
from lightsearch.study.schedulers import Curve, Decision, Progress, Scheduler, Start

SPACE = Space.model_validate(
    {
        "model": {
            "width": {"int": [16, 256], "log": True},
            "lr": {"float": [1e-4, 1e-1], "log": True},
            "activation": {"choice": ["relu", "tanh", "gelu"]},
        },
        "data": {"batch_size": {"choice": [32, 64, 128]}},
    }
)


def accuracy(params: Mapping[str, Any], epoch: int) -> float:
    """A curve that rises to a height that the parameters determine; it is the higher the slower."""
    off = (math.log10(params["lr"]) + 2.5) ** 2 / 2 + (math.log(params["width"] / 90)) ** 2 / 8
    height = 0.95 - 0.15 * off - 0.02 * (params["activation"] != "gelu")
    return height * (1 - math.exp(-epoch / (2 + 3 * height)))


@dataclass
class World:
    """Trains what a scheduler decides.

    Args:
        scheduler: The scheduler.
        max_epochs: Epochs of a whole training.
        workers: Trials at a time.
        value: The metric after an epoch.
    """

    scheduler: Scheduler
    max_epochs: int
    workers: int = 1
    value: Callable[[Mapping[str, Any], int], float] = accuracy
    propose: Callable[[int], Mapping[str, Any]] | None = None
    """The sampler, for schedulers that propose no parameters."""
    curves: list[Curve] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    epochs: int = 0

    def run(self, n_trials: int, epochs: int = 10**9) -> World:
        """Trains until the scheduler ends the study, or ``epochs`` are trained."""
        while self.epochs < epochs and (self._fill(n_trials) or self._running()):
            self._train()
        return self

    @property
    def best(self) -> float:
        """The best value so far."""
        return max(value for curve in self.curves for value in curve.values.values())

    def _running(self) -> list[Curve]:
        return [one for one in self.curves if one.progress is Progress.RUNNING]

    def _fill(self, n_trials: int) -> bool:
        while len(self._running()) < self.workers:
            decision = self.scheduler.decide(list(self.curves), n_trials - len(self.curves))
            if decision is None:
                break
            self.decisions.append(decision)
            if decision.number is None:
                params = decision.params
                if params is None:
                    assert self.propose is not None
                    params = self.propose(len(self.curves))
                start = decision.start
                self.curves.append(Curve(len(self.curves), params, Progress.RUNNING, {}, decision.until, start))
                if start is not None:
                    self._replace(start)
            else:
                before = self.curves[decision.number]
                assert before.progress is Progress.PAUSED
                assert before.epochs < decision.until <= self.max_epochs
                self.curves[decision.number] = replace(before, progress=Progress.RUNNING, until=decision.until)
        return bool(self._running())

    def _train(self) -> None:
        """Every running trial trains an epoch."""
        for one in self._running():
            epoch = one.epochs + 1
            self.epochs += 1
            progress = Progress.PAUSED if epoch >= one.until else Progress.RUNNING
            progress = Progress.FINISHED if epoch == self.max_epochs else progress
            values = {**one.values, epoch: self.value(one.params, epoch)}
            self.curves[one.number] = replace(one, progress=progress, values=values)

    def _replace(self, start: Start) -> None:
        """Ends a trial whose place another one takes."""
        parent, loser = self.curves[start.parent], self.curves[start.replaces]
        assert parent.progress is Progress.PAUSED  # with a checkpoint of just these epochs
        assert parent.epochs == start.epochs
        if loser.progress is Progress.PAUSED:
            self.curves[loser.number] = replace(loser, progress=Progress.FINISHED)
