from __future__ import annotations

from collections import Counter

import pytest

from lightsearch.study.schedulers import Curve, Progress
from lightsearch.study.schedulers.promotion import Asha, Hyperband, rungs
from tests.study.schedulers.world import World


def paused(number: int, *values: float, progress: Progress = Progress.PAUSED) -> Curve:
    return Curve(number, {"x": number}, progress, dict(enumerate(values, start=1)))


def test_rungs() -> None:
    assert rungs(1, 27, 3) == [1, 3, 9, 27]
    assert rungs(2, 52, 3) == [2, 6, 18, 52]
    assert rungs(5, 5, 3) == [5]


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_the_best_third_of_a_rung_goes_on_and_then_a_new_trial_begins(direction: str, sign: int) -> None:
    asha = Asha(9, direction)
    curves = [paused(number, sign * value) for number, value in enumerate([0.1, 0.5, 0.3])]
    decision = asha.decide(curves, n_new=5)
    assert decision is not None
    assert (decision.number, decision.until) == (1, 3)
    curves[1] = paused(1, sign * 0.5, sign * 0.6, sign * 0.7)
    begun = asha.decide(curves, n_new=5)
    assert begun is not None
    assert (begun.number, begun.until) == (None, 1)


def test_a_trial_is_judged_by_its_first_value_where_the_first_epochs_are_not_validated() -> None:
    curves = [Curve(number, {"x": number}, Progress.PAUSED, {2: value}) for number, value in enumerate([0.1, 0.5, 0.3])]
    decision = Asha(9, "maximize").decide(curves, n_new=5)
    assert decision is not None
    assert (decision.number, decision.until) == (1, 3)


def test_a_trial_that_was_passed_over_goes_on_when_it_comes_to_be_among_the_best() -> None:
    asha = Asha(9, "maximize")
    curves = [paused(0, 0.5, 0.5, 0.5), paused(1, 0.4), *(paused(number, 0.1) for number in range(2, 6))]
    decision = asha.decide(curves, n_new=1)
    assert decision is not None
    assert decision.number == 1


def test_a_trial_that_stopped_early_keeps_its_place_in_every_rung() -> None:
    asha = Asha(9, "maximize")
    stopped = paused(0, 0.9, 0.8, progress=Progress.FINISHED)
    curves = [stopped, paused(1, 0.5, 0.5, 0.5), paused(2, 0.4, 0.4, 0.4)]
    decision = asha.decide(curves, n_new=1)
    assert decision is not None
    assert decision.number is None  # of the three at epoch 3 the best is the one that has ended


def test_the_end_leaves_no_rung_empty() -> None:
    world = World(Asha(9, "maximize"), 9, propose=lambda n: {"x": n}, value=lambda params, epoch: params["x"] + epoch)
    world.run(n_trials=2)
    assert [one.epochs for one in world.curves] == [1, 9]


def test_each_rung_has_about_a_third_of_the_trials_before_it() -> None:
    world = World(Asha(27, "maximize"), 27, workers=4, propose=lambda n: {"x": n * 7 % 81}, value=lambda p, _: p["x"])
    world.run(n_trials=81)
    reached = Counter(one.epochs for one in world.curves)
    assert sum(reached.values()) == 81
    at = [sum(n for epochs, n in reached.items() if epochs >= rung) for rung in (1, 3, 9)]
    assert 27 <= at[1] <= 40  # some are promoted that are among the best only when they are
    assert 9 <= at[2] <= at[1] / 2
    assert max(world.curves, key=lambda one: one.params["x"]).epochs == 27


def test_brackets_of_hyperband_have_different_first_rungs_and_similar_shares_of_the_epochs() -> None:
    hyperband = Hyperband(27, "maximize")
    world = World(hyperband, 27, propose=lambda n: {"x": n * 7 % 81}, value=lambda params, _: params["x"])
    world.run(n_trials=120)
    first = {}
    for decision in world.decisions:
        if decision.number is None:
            first[len(first)] = decision.until
    assert set(first.values()) == {1, 3, 9, 27}
    spent = Counter[int]()
    for one in world.curves:
        spent[first[one.number]] += one.epochs
    assert max(spent.values()) < 2.5 * min(spent.values())
