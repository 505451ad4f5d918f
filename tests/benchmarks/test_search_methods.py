"""The methods of the yardstick of search efficiency: this project's search, and those of other packages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from lightsearch.study.schedulers import Curve, Decision, Progress, Scheduler
from tests.benchmarks.search_efficiency import methods
from tests.benchmarks.search_efficiency.__main__ import available
from tests.benchmarks.search_efficiency.accounting import regrets
from tests.benchmarks.search_efficiency.clock import simulate
from tests.benchmarks.search_efficiency.methods import METHODS, OptunaSearch, ScheduledSearch, Stopping
from tests.benchmarks.search_efficiency.priors import prior_of
from tests.benchmarks.search_efficiency.problem import Scale, Trajectory, study_of
from tests.benchmarks.search_efficiency.setup import Setup


def test_early_stopping_counts_epochs_without_a_higher_value() -> None:
    stopping = Stopping(patience=2)
    assert [stopping.ends(value) for value in (1.0, 1.0, 2.0, 1.0, 2.0)] == [False, False, False, False, True]
    assert not any(Stopping(patience=0).ends(0.0) for _ in range(9))


class Slope:
    """A problem whose curves rise to the learning rate, to be read without any file."""

    epochs = 9
    space = {"model": {"learning_rate": {"float": [0.0, 1.0]}}}  # noqa: RUF012
    scales = {"slope": Scale(0.5, 1.0)}  # noqa: RUF012

    def objective(self, task: str):  # type: ignore[no-untyped-def]
        steps = np.arange(1, self.epochs + 1) / self.epochs
        return lambda params: Trajectory(float(params["learning_rate"]) * steps, np.ones(self.epochs))


class Halving:
    """Successive halving by promotion: the best third of those that have trained 1 or 3 epochs goes on."""

    RUNGS = ((1, 3), (3, 9))

    def __init__(self) -> None:
        self.seen: list[list[Curve]] = []

    def decide(self, curves: Sequence[Curve], n_new: int) -> Decision | None:
        self.seen.append(list(curves))
        for rung, until in reversed(self.RUNGS):
            there = sorted((curve for curve in curves if curve.epochs >= rung), key=lambda one: -one.values[rung])
            for curve in there[: len(there) // 3]:
                if curve.progress is Progress.PAUSED and curve.epochs == rung:
                    return Decision(curve.number, until, "among the best third")
        return Decision(None, 1, "none is worth it", params={"learning_rate": 0.9} if len(curves) == 4 else None)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_scheduler_pauses_and_continues_trials(workers: int) -> None:
    scheduler = Halving()
    search = ScheduledSearch(study_of(Slope(), 1), scheduler, patience=0)
    found = simulate(search, Slope().objective("slope"), workers=workers, max_epochs=9, budget=200)
    assert len(found) == 200
    trained = {curve.epochs for curve in search.curves.values() if curve.progress is not Progress.RUNNING}
    assert trained == {1, 3, 9}
    assert all(curve.progress is Progress.FINISHED for curve in search.curves.values() if curve.epochs == 9)
    assert sum(len(curve.values) for curve in search.curves.values()) >= 200
    most = max(sum(curve.progress is Progress.RUNNING for curve in curves) for curves in scheduler.seen)
    assert most == workers - 1  # while the last worker is free
    assert search.curves[4].params == {"learning_rate": 0.9}


def test_a_pause_does_not_interrupt_early_stopping() -> None:
    class OneEpochAtATime:
        def decide(self, curves: Sequence[Curve], n_new: int) -> Decision | None:
            waiting = [curve for curve in curves if curve.progress is Progress.PAUSED]
            if waiting:
                return Decision(waiting[0].number, waiting[0].epochs + 1, "it waits")
            return None if curves else Decision(None, 1, "the first")

    search = ScheduledSearch(study_of(Slope(), 1), OneEpochAtATime(), patience=3)
    flat = Trajectory(np.zeros(9), np.ones(9))
    assert len(simulate(search, lambda params: flat, workers=1, max_epochs=9, budget=100)) == 4
    assert search.curves[0].progress is Progress.FINISHED


def test_the_default_is_the_search_with_the_scheduler_of_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Scheduler | None] = [Halving(), None]
    module = SimpleNamespace(make_scheduler=lambda study_file, believed: made.pop(0))
    monkeypatch.setitem(sys.modules, "lightsearch.study.schedulers.choice", module)
    study_file = study_of(Slope(), 1, ["trainer.patience=7"])
    scheduled, plain = (METHODS["default"](Setup(study_file, patience)) for patience in (None, 2))
    assert isinstance(scheduled, ScheduledSearch)
    assert isinstance(scheduled.scheduler, Halving)
    assert scheduled.patience == 0  # freeze-thaw pauses where early stopping would end a trial
    assert isinstance(plain, OptunaSearch)
    assert plain.patience == 2


@pytest.mark.parametrize("name", ["none", *(name for name in METHODS if name.startswith("optuna"))])
def test_own_and_optunas_methods_search(name: str) -> None:
    problem = Slope()
    search = METHODS[name](Setup(study_of(problem, 3)))
    found = regrets(
        simulate(search, problem.objective("slope"), workers=2, max_epochs=9, budget=180), problem.scales["slope"], 180
    )
    assert found[-1] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith(tuple(methods.MODULES))])
def test_the_methods_of_other_packages_search(name: str) -> None:
    if absent := methods.missing(name):
        pytest.skip(f"{absent} is not installed")
    problem = Slope()
    search = METHODS[name](Setup(study_of(problem, 3)))
    found = simulate(search, problem.objective("slope"), workers=1, max_epochs=9, budget=90)
    assert len(found) == 90
    assert max(found) > 0.5


def test_a_guess_is_as_good_as_its_percentile() -> None:
    found = [prior_of(Slope(), "slope", percentile)["learning_rate"] for percentile in (0, 50, 95, 100)]
    assert found == sorted(found)
    assert abs(float(found[1]) - 0.5) < 0.15
    assert prior_of(Slope(), "slope", 95) == {"learning_rate": found[2]}
    assert study_of(Slope(), 3, (), {"learning_rate": 0.9}).space.prior == {"learning_rate": 0.9}


def test_a_search_begins_with_the_guess() -> None:
    problem = Slope()
    search = METHODS["default"](Setup(study_of(problem, 3, (), {"learning_rate": 0.9})))
    assert simulate(search, problem.objective("slope"), workers=1, max_epochs=9, budget=1) == [pytest.approx(0.9 / 9)]


def test_the_same_seed_gives_the_same_search() -> None:
    def search(seed: int) -> list[float]:
        problem = Slope()
        search = METHODS["none"](Setup(study_of(problem, seed)))
        return simulate(search, problem.objective("slope"), workers=1, max_epochs=9, budget=90)

    assert search(1) == search(1) != search(2)


def test_a_method_whose_package_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda module: None)
    assert available(["none", "syne-tune-bohb", "ray-asha"]) == ["none"]
    assert capsys.readouterr().err.splitlines() == [
        "syne-tune-bohb: skipped, syne_tune is not installed",
        "ray-asha: skipped, ray is not installed",
    ]
