from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightsearch.declare.space import Space
from lightsearch.study.schedulers import Curve, Progress
from lightsearch.study.schedulers.beliefs import MOST, Beliefs, Centre
from lightsearch.study.schedulers.freeze_thaw import FreezeThaw
from lightsearch.study.schedulers.unit_cube import UnitCube
from tests.study.schedulers.world import SPACE, World, accuracy

EPOCHS = 20
GOOD = {"width": 90, "lr": 10**-2.5, "activation": "gelu", "batch_size": 64}
BAD = {"width": 16, "lr": 1e-1, "activation": "tanh", "batch_size": 32}
CUBE = UnitCube(SPACE)


def search(*centres: Centre, seed: int = 0, workers: int = 1, space: Space = SPACE) -> World:
    beliefs = Beliefs(space, centres, "maximize")
    return World(FreezeThaw(space, EPOCHS, "maximize", seed, beliefs), EPOCHS, workers)


def trials(*configurations: tuple[dict[str, Any], float]) -> list[Curve]:
    return [Curve(number, params, Progress.PAUSED, {1: value}) for number, (params, value) in enumerate(configurations)]


def share_near(beliefs: Beliefs, curves: list[Curve], who: str = "near") -> float:
    rng = np.random.default_rng(1)
    _, what = beliefs.drawn(rng, CUBE.uniform(rng, 2000), curves)
    return float(np.mean([one.startswith(who) for one in what]))


def test_what_is_believed_is_tried_first_and_its_trials_say_so() -> None:
    world = search(Centre(GOOD, "the prior"), Centre(BAD, "place 1 of other"), workers=3).run(10**6, 3)
    assert [dict(one.params) for one in world.curves[:2]] == [pytest.approx(GOOD), pytest.approx(BAD)]
    assert world.decisions[0].reason.endswith(", at the prior")
    assert world.decisions[1].reason.endswith(", at place 1 of other")
    assert world.curves[2].params != world.curves[0].params


def test_parameters_without_a_belief_are_those_of_a_search_without_one() -> None:
    believing = search(Centre({"lr": 0.02}, "the prior")).run(10**6, 1).curves[0]
    plain = search().run(10**6, 1).curves[0]
    assert believing.params == {**plain.params, "lr": pytest.approx(0.02)}
    assert plain.params["lr"] != pytest.approx(0.02)


def test_a_search_without_a_belief_is_the_one_that_it_was() -> None:
    plain = World(FreezeThaw(SPACE, EPOCHS, "maximize", 0), EPOCHS).run(10**6, 100)
    assert search().run(10**6, 100).decisions == plain.decisions
    assert search(Centre({"unknown": 1}, "the prior")).run(10**6, 100).decisions == plain.decisions


def test_a_good_belief_speeds_a_search_up_and_a_bad_one_is_forgotten() -> None:
    def found(budget: int, *centres: Centre) -> float:
        return float(np.mean([search(*centres, seed=seed).run(10**6, budget).best for seed in range(3)]))

    best, plain = accuracy(GOOD, EPOCHS), found(4 * EPOCHS)
    assert best - found(4 * EPOCHS, Centre(GOOD, "the prior")) < 0.3 * (best - plain)
    assert found(4 * EPOCHS, Centre(BAD, "the prior")) > plain - 0.01


def test_the_share_of_neighbours_follows_what_they_have_reached() -> None:
    beliefs = Beliefs(SPACE, [Centre(GOOD, "the prior")], "maximize")
    others = [{**BAD, "batch_size": size} for size in (32, 64, 128)]
    neighbours = [{**GOOD, "width": width} for width in (80, 90, 100)]
    assert share_near(beliefs, trials((GOOD, math.nan))) == pytest.approx(MOST / 2, abs=0.05)

    def after(near: float, other: float) -> float:
        return share_near(beliefs, trials(*((one, near) for one in neighbours), *((one, other) for one in others)))

    assert after(near=0.2, other=0.8) < 0.7 * MOST / 2
    assert after(near=0.8, other=0.2) > 1.3 * MOST / 2
    worse = trials(*((one, 0.2) for one in neighbours * 5), *((one, 0.8) for one in others * 5))
    assert share_near(beliefs, worse) < 0.2 * MOST / 2
    minimising = Beliefs(SPACE, [Centre(GOOD, "the prior")], "minimize")
    assert share_near(minimising, worse) > 1.5 * MOST / 2


def test_of_several_beliefs_the_one_that_loses_is_forgotten() -> None:
    centres = [Centre(GOOD, "good"), Centre(BAD, "bad"), Centre({**GOOD, "activation": "tanh"}, "half", weight=0.5)]
    beliefs = Beliefs(SPACE, centres, "maximize")
    rows = [(dict(centre.params), value) for centre, value in zip(centres, (0.8, 0.1, 0.7), strict=True)] * 6
    curves = trials(*rows)
    assert share_near(beliefs, curves, "near bad") < 0.5 * share_near(beliefs, curves, "near half")
    assert share_near(beliefs, curves, "near half") < share_near(beliefs, curves, "near good")


def test_neighbours_are_near_in_what_is_believed_only() -> None:
    beliefs = Beliefs(SPACE, [Centre({"lr": 10**-2.5}, "the prior")], "maximize")
    rng = np.random.default_rng(0)
    points, what = beliefs.drawn(rng, CUBE.uniform(rng, 2000), trials((GOOD, 0.5)))
    near = points[[one.startswith("near") for one in what]]
    assert near[:, CUBE.axes["lr"]].std() < 0.2
    assert near[:, CUBE.axes["width"]].std() == pytest.approx(1 / math.sqrt(12), abs=0.03)


def test_a_belief_about_what_a_trial_may_not_have() -> None:
    space = Space.model_validate(
        {
            "model": {
                "optimizer": {"choice": ["adam", "sgd"]},
                "momentum": {"float": [0.8, 0.99], "when": {"optimizer": "sgd"}},
                "widths": {"list": {"int": [8, 64]}, "length": [1, 3]},
            }
        }
    )
    of_list = Centre({"widths.length": 2, "widths.0": 32, "widths.1": 16}, "the prior")
    beliefs = Beliefs(space, [Centre({"momentum": 0.9}, "one"), of_list], "maximize")
    world = World(FreezeThaw(space, 6, "maximize", 0, beliefs), 6, value=lambda _, epoch: 0.1 * epoch)
    world.run(10**6, 40)
    assert all(space.is_sampled(dict(one.params)) for one in world.curves)
    assert any(one.params.get("momentum") == pytest.approx(0.9) for one in world.curves)
    assert any([one.params.get(f"widths.{at}") for at in (0, 1, 2)] == [32, 16, None] for one in world.curves)


def test_a_belief_that_failed_is_not_tried_again() -> None:
    failed = [Curve(0, GOOD, Progress.FINISHED)]
    decision = FreezeThaw(SPACE, EPOCHS, "maximize", 0, Beliefs(SPACE, [Centre(GOOD, "the prior")], "maximize")).decide(
        failed, 10
    )
    assert decision is not None
    assert decision.params is not None
    assert "at the prior" not in decision.reason
