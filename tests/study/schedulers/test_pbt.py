"""Populations in a known world: who is replaced by whom, when, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lightsearch.declare.space import Space
from lightsearch.study.schedulers import Curve, Progress
from lightsearch.study.schedulers.pbt import PopulationBased
from tests.study.schedulers.world import World

SPACE = Space.model_validate(
    {
        "model": {
            "lr": {"float": [1e-3, 1.0], "log": True},
            "layers": {"int": [1, 9]},
            "activation": {"choice": ["relu", "tanh", "gelu"]},
            "decay": {"float": [0.0, 1.0], "step": 0.1},
        }
    }
)
RATES = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def pbt(**options: Any) -> PopulationBased:
    rule = {"population": 8, "interval": 2, "quantile": 0.25, "mutate": ["lr"], "resample": 0.0, **options}
    return PopulationBased(SPACE, 8, rule.pop("direction", "maximize"), 0, **rule)


def params(number: int) -> Mapping[str, Any]:
    return {"lr": RATES[number % 8], "layers": 3, "activation": "tanh", "decay": 0.5}


def world(workers: int = 1, **options: Any) -> World:
    return World(pbt(**options), 8, workers, value=lambda p, epoch: epoch * p["lr"], propose=params)


def test_the_worst_quarter_is_replaced_by_copies_of_the_best_quarter() -> None:
    done = world().run(n_trials=10)
    for copy, loser in zip(done.curves[8:], (7, 6), strict=True):
        assert copy.start is not None
        assert (copy.start.parent in (0, 1), copy.start.epochs) == (True, 2)
        assert (copy.start.replaces, copy.start.generation, copy.start.root) == (loser, 1, copy.start.parent)
        donor = done.curves[copy.start.parent].params
        assert copy.params["lr"] in (donor["lr"] * 0.8, donor["lr"] * 1.25)
        assert {**copy.params, "lr": 0} == {**donor, "lr": 0}
        assert list(copy.values) == [3, 4, 5, 6, 7, 8]
    assert [one.epochs for one in done.curves[:6]] == [8] * 6  # without new trials, the others train to their ends
    assert [one.epochs for one in done.curves[6:8]] == [2, 2]


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_the_decisions_do_not_depend_on_the_number_of_workers(workers: int) -> None:
    def what(done: World) -> list[Any]:
        return [(one.params, one.start, one.epochs) for one in done.curves]

    assert what(world(workers).run(n_trials=30)) == what(world().run(n_trials=30))


def test_a_whole_study_keeps_the_size_of_its_population_and_begins_the_next_one_after_it() -> None:
    done = world().run(n_trials=20)
    roots = [one for one in done.curves if one.start is None]
    assert len(roots) == 14  # 8 and three times 2 copies, then 6 of the next population
    assert max(one.start.generation for one in done.curves if one.start) > 1
    assert all(one.progress is Progress.FINISHED for one in done.curves)
    for epoch in range(1, 9):
        assert sum(epoch in one.values for one in done.curves[:14]) == 8


def test_a_member_that_failed_is_replaced_and_one_that_stopped_early_is_not() -> None:
    curves = [Curve(i, params(i), Progress.PAUSED, {1: 0.1, 2: RATES[i]}, 2) for i in range(8)]
    curves[3] = replace(curves[3], progress=Progress.FAILED, values={1: 9.0})
    curves[7] = replace(curves[7], progress=Progress.FINISHED, values={1: 0.01})
    decision = pbt().decide(curves, n_new=5)
    assert decision is not None
    assert decision.start is not None
    assert decision.start.replaces == 3
    assert decision.start.parent == 0
    without_copies = pbt().decide(curves, n_new=0)
    assert without_copies is not None
    assert (without_copies.number, without_copies.until) == (0, 4)


def test_no_one_is_compared_before_all_have_trained_as_far_or_once_one_has_trained_on() -> None:
    curves = [Curve(i, params(i), Progress.PAUSED, {2: RATES[i]}, 2) for i in range(8)]
    behind = replace(curves[5], progress=Progress.RUNNING, values={1: 0.0})
    assert pbt().decide([*curves[:5], behind, *curves[6:]], n_new=5) is None
    ahead = replace(curves[5], progress=Progress.RUNNING, until=4)
    decision = pbt().decide([*curves[:5], ahead, *curves[6:]], n_new=5)
    assert decision is not None
    assert (decision.number, decision.start) == (0, None)


def test_the_better_value_is_the_lower_one_if_that_is_wanted() -> None:
    curves = [Curve(i, params(i), Progress.PAUSED, {2: RATES[i]}, 2) for i in range(8)]
    decision = pbt(direction="minimize").decide(curves, n_new=5)
    assert decision is not None
    assert decision.start is not None
    assert (decision.start.replaces, decision.start.parent in (6, 7)) == (0, True)


def test_what_a_copy_changes() -> None:
    names = ["lr", "layers", "activation", "decay"]
    near = [one.params for one in world(mutate=names).run(n_trials=60).curves if one.start is not None]
    assert all(1e-3 <= one["lr"] <= 1.0 and type(one["layers"]) is int and 1 <= one["layers"] <= 9 for one in near)
    assert len({one["layers"] for one in near}) > 2
    assert {one["activation"] for one in near} >= {"relu", "gelu"}  # both neighbours of tanh
    assert all(abs(10 * one["decay"] - round(10 * one["decay"])) < 1e-9 and 0 <= one["decay"] <= 1 for one in near)
    anew = [one.params for one in world(mutate=names, resample=1.0).run(n_trials=60).curves if one.start is not None]
    assert len({one["lr"] for one in anew}) == len(anew)
    assert min(one["lr"] for one in anew) < 0.8 * min(RATES) or max(one["lr"] for one in anew) > 1.25 * max(RATES)
