from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from lightsearch.declare.space import Space
from lightsearch.study.schedulers import Curve, Enqueued, Progress
from lightsearch.study.schedulers.freeze_thaw import FreezeThaw
from lightsearch.study.schedulers.scale import Scale
from tests.study.schedulers.world import SPACE, World, accuracy

EPOCHS = 20


def freeze_thaw(seed: int = 0, direction: str = "maximize", *, proposes: bool = True) -> FreezeThaw:
    return FreezeThaw(SPACE, EPOCHS, direction, seed, proposes=proposes)


def random_search(seed: int, epochs: int) -> float:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    drawn = [SPACE.suggest(study.ask()) for _ in range(epochs // EPOCHS)]
    return max(accuracy(params, EPOCHS) for params in drawn)


def test_it_finds_more_for_an_epoch_than_whole_trainings_of_random_configurations() -> None:
    budget = 8 * EPOCHS
    found = [World(freeze_thaw(seed), EPOCHS).run(10**6, budget).best for seed in range(5)]
    random = [random_search(seed, budget) for seed in range(5)]
    best = 0.95 * (1 - np.exp(-EPOCHS / (2 + 3 * 0.95)))
    assert best - np.mean(found) < 0.5 * (best - np.mean(random))


def test_it_minimises_too() -> None:
    up = World(freeze_thaw(), EPOCHS).run(10**6, 60)
    down = World(freeze_thaw(direction="minimize"), EPOCHS, value=lambda *of: -accuracy(*of)).run(10**6, 60)
    assert [one[:3] for one in down.decisions] == [one[:3] for one in up.decisions]


def test_the_same_seed_makes_the_same_decisions_and_another_one_others() -> None:
    one, again, other = (World(freeze_thaw(seed), EPOCHS).run(12).decisions for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("workers", [1, 4])
def test_a_study_ends_when_nothing_that_waits_is_worth_an_epoch(workers: int) -> None:
    world = World(freeze_thaw(), EPOCHS, workers).run(15)
    assert len(world.curves) == 15
    assert world.epochs < 0.7 * 15 * EPOCHS
    assert all(one.progress is not Progress.RUNNING for one in world.curves)
    ends = sorted((max(one.values.values()) for one in world.curves), reverse=True)
    assert max(accuracy(one.params, EPOCHS) for one in world.curves) - ends[0] < 0.01  # none was left too early


def test_many_workers_do_not_begin_all_trials_before_anything_is_known() -> None:
    world = World(freeze_thaw(), EPOCHS, workers=16).run(50, 4 * EPOCHS)
    assert 17 <= len(world.curves) <= 26
    assert len(World(freeze_thaw(), EPOCHS, workers=16).run(50).curves) == 50, "all begin in time"
    assert len(World(freeze_thaw(), EPOCHS, workers=16).run(10**6, 4 * EPOCHS).curves) > 26, "trials are not scarce"
    assert len(World(freeze_thaw(), EPOCHS, workers=40).run(50, 1).curves) == 40, "every worker has one"


def test_without_a_known_value_new_trials_begin() -> None:
    world = World(freeze_thaw(), EPOCHS, workers=4).run(50, 60)
    unknown = [replace(one, progress=Progress.PAUSED, values={}) for one in world.curves]
    decision = freeze_thaw().decide(unknown, 3)
    assert decision is not None
    assert decision.number is None


def test_a_study_ends_after_whole_trainings_without_a_better_value(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "lightsearch.study.schedulers.freeze_thaw"
    monkeypatch.setattr(f"{module}.WORTH", -1.0)  # every gain is worth its epochs
    ended = World(freeze_thaw(), EPOCHS, value=lambda params, _: 0.1 * params["lr"]).run(n_trials=20)
    monkeypatch.setattr(f"{module}.SETTLED_TRAININGS", 1000)
    without = World(freeze_thaw(), EPOCHS, value=lambda params, _: 0.1 * params["lr"]).run(n_trials=20)
    assert len(ended.curves) == len(without.curves) == 20
    assert without.epochs == 20 * EPOCHS
    assert ended.decisions == without.decisions[: len(ended.decisions)]
    assert ended.epochs < without.epochs / 2


def test_enqueued_trials_begin_before_new_ones_and_the_most_promising_first() -> None:
    first = [Enqueued(number, {"lr": 0.1, "width": 16}) for number in (7, 8)]
    assert freeze_thaw().decide([], 9, first)[:2] == (7, 1)
    world = World(freeze_thaw(), EPOCHS).run(50, 300)
    stopped = [replace(one, progress=Progress.FINISHED) for one in world.curves]
    bad = Enqueued(50, {"lr": 0.1, "width": 16, "activation": "relu", "batch_size": 32})
    good = Enqueued(51, {"lr": 0.003, "width": 120, "activation": "relu", "batch_size": 32})
    decision = freeze_thaw().decide(stopped, 4, [bad, good])
    assert decision is not None
    assert decision.number == 51
    assert decision.reason.startswith("enqueued: gain of ")


def test_an_enqueued_value_that_the_space_does_not_have_is_no_obstacle() -> None:
    curves = World(freeze_thaw(), EPOCHS).run(10, 60).curves
    stopped = [replace(one, progress=Progress.FINISHED) for one in curves]
    decision = freeze_thaw().decide(stopped, 1, [Enqueued(10, {"lr": "fast", "activation": "none"})])
    assert decision is not None
    assert decision.number == 10


def test_workers_at_a_time_begin_different_trials() -> None:
    world = World(freeze_thaw(), EPOCHS, workers=6).run(40, 120)
    assert len({tuple(one.params.items()) for one in world.curves}) == len(world.curves)
    begun = np.array([np.log(float(one.params["lr"])) for one in world.curves[-6:]])
    assert np.ptp(begun) > 0.01


def test_every_decision_says_why() -> None:
    world = World(freeze_thaw(), EPOCHS).run(10**6, 100)
    assert all(decision.reason for decision in world.decisions)
    assert any("promoted" in decision.reason for decision in world.decisions)
    assert any("gain of" in decision.reason for decision in world.decisions)


def test_it_leaves_the_parameters_to_a_sampler_if_the_study_has_one() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    world = World(freeze_thaw(proposes=False), EPOCHS, propose=lambda _: SPACE.suggest(study.ask())).run(10**6, 80)
    assert all(decision.params is None for decision in world.decisions)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"fixed": 1},
        {"x": {"choice": ["a"]}},
        {
            "widths": {"list": {"int": [8, 64], "log": True}, "length": [1, 3]},
            "optimizer": {"choice": ["adam", "sgd"]},
            "momentum": {"float": [0.8, 0.99], "when": {"optimizer": "sgd"}},
        },
    ],
)
def test_any_space(parameters: dict[str, Any]) -> None:
    space = Space.model_validate({"model": parameters})
    scheduler = FreezeThaw(space, 6, "maximize", 0)
    world = World(scheduler, 6, value=lambda _, epoch: 0.1 * epoch).run(10**6, 40)
    assert all(space.is_sampled(dict(one.params)) for one in world.curves)


@pytest.mark.parametrize("max_epochs", [3, 4, 7, 200])
def test_any_number_of_epochs(max_epochs: int) -> None:
    world = World(FreezeThaw(SPACE, max_epochs, "maximize", 0), max_epochs).run(6)
    assert max(one.epochs for one in world.curves) <= max_epochs


def test_equal_curves_and_hopeless_values_are_no_obstacle() -> None:
    world = World(freeze_thaw(), EPOCHS, value=lambda *_: 0.1).run(10)
    assert len(world.curves) == 10
    far = World(freeze_thaw(), EPOCHS, value=lambda p, e: -1e12 if p["lr"] > 0.01 else accuracy(p, e)).run(10)
    assert far.best > 0


def test_values_are_scaled_by_the_best_and_the_median() -> None:
    bests = np.array([1.0, 3.0, 7.0])
    scale = Scale.of(bests)
    assert list(scale.scaled(bests)) == [-1.5, -1.0, 0.0]
    assert -5 < scale.scaled(np.array([-100.0]))[0] < -1.5
    assert scale.gain(0.5) == 2.0


@pytest.mark.parametrize(("ended", "expected"), [(False, "high at first"), (True, "low at first")])
def test_a_trial_that_ended_early_is_not_expected_to_rise_as_others_do(ended: bool, expected: str) -> None:
    def trial(number: int, lr: float, values: dict[int, float], progress: Progress) -> Curve:
        params = {"lr": lr, "width": 30 + 10 * number, "activation": "relu", "batch_size": 32}
        return Curve(number, params, progress, values)

    rises = {epoch: 0.7 + 0.18 * epoch / EPOCHS for epoch in range(1, EPOCHS + 1)}
    curves = [
        *(trial(n, 0.007, rises, Progress.FINISHED) for n in range(6)),
        *(trial(n, 0.05, {1: 0.84, 2: 0.85}, Progress.FINISHED) for n in range(6, 12)),
        *(trial(n, 0.001, {1: 0.79, 2: 0.80}, Progress.FINISHED) for n in range(12, 18)),
    ]
    if not ended:
        curves[6:] = [replace(one, progress=Progress.RUNNING, until=2) for one in curves[6:]]
    else:
        curves[12:] = [replace(one, progress=Progress.RUNNING, until=2) for one in curves[12:]]
    names = {0.05: "high at first", 0.001: "low at first"}
    new = [Enqueued(18 + n, {**curves[0].params, "lr": lr}) for n, lr in enumerate(names)]
    decision = freeze_thaw().decide(curves, 2, new)
    assert decision is not None
    assert decision.number is not None
    assert list(names.values())[decision.number - 18] == expected


def test_trials_that_fail_are_neither_continued_nor_repeated() -> None:
    scheduler, curves = freeze_thaw(), list[Curve]()
    for number in range(30):
        decision = scheduler.decide(curves, n_new=50)
        assert decision is not None
        assert decision.number is None, "nothing waits"
        assert decision.params is not None
        fails = decision.params["lr"] > 1e-2  # type: ignore[operator]
        values = {epoch: accuracy(decision.params, epoch) for epoch in range(1, EPOCHS + 1)}
        progress = Progress.FAILED if fails else Progress.FINISHED
        curves.append(Curve(number, decision.params, progress, {1: 0.9} if fails else values))
    assert len({tuple(one.params.items()) for one in curves}) == 30
    begun = [one.progress for one in curves]
    assert begun[15:].count(Progress.FAILED) < 0.5 * begun[:8].count(Progress.FAILED) + 1  # their corner is avoided


def test_a_study_in_which_every_trial_fails_tries_others() -> None:
    curves = [Curve(number, {"lr": 1e-2, "width": 20}, Progress.FAILED) for number in range(3)]
    begun = [freeze_thaw().decide(curves[:n], n_new=9) for n in range(4)]
    assert len({str(decision and decision.params) for decision in begun}) == 4
