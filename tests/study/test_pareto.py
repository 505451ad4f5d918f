"""Pareto fronts are those of the definition, also where values were measured with a spread."""

from __future__ import annotations

import random

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.study import pareto


def brute_force(trials: list[FrozenTrial], directions: list[str]) -> set[int]:
    """Numbers of the complete trials that no other one beats, by the definition."""
    signs = [-1 if direction == "maximize" else 1 for direction in directions]
    costs = {
        trial.number: [sign * value for sign, value in zip(signs, trial.values, strict=True)]
        for trial in trials
        if trial.state is TrialState.COMPLETE
    }
    spreads = {number: trials[number].user_attrs.get("spreads", [0.0] * len(directions)) for number in costs}

    def beats(one: int, other: int) -> bool:
        apart = [mine - its for mine, its in zip(costs[one], costs[other], strict=True)]
        equal = [max(both) for both in zip(spreads[one], spreads[other], strict=True)]
        no_worse = all(a <= spread for a, spread in zip(apart, equal, strict=True))
        return no_worse and any(a < -spread for a, spread in zip(apart, equal, strict=True))

    return {one for one in costs if not any(beats(other, one) for other in costs)}


@pytest.mark.parametrize("directions", [["maximize", "minimize"], ["minimize", "minimize", "maximize"]])
def test_the_front_is_that_of_the_definition(directions: list[str]) -> None:
    rng = random.Random(0)
    study = optuna.create_study(directions=directions)
    for _ in range(60):
        study.add_trial(create_trial(values=[rng.randint(0, 6) for _ in directions]))  # with many equals
    study.add_trial(create_trial(state=TrialState.FAIL))
    found = pareto.non_dominated(study.trials, directions)
    assert {trial.number for trial in found} == brute_force(study.trials, directions)
    assert {trial.number for trial in found} == {trial.number for trial in study.best_trials}
    assert found[0] == pareto.ranked(study.trials, directions)[0]
    firsts = [trial.values[0] for trial in found]
    assert firsts == sorted(firsts, reverse=directions[0] == "maximize")


@pytest.mark.parametrize("position", [1, 2], ids=["last but one", "last"])
def test_the_front_is_that_of_the_definition_where_latencies_have_spreads(position: int) -> None:
    rng = random.Random(position)
    directions = ["maximize", "minimize", "minimize"]
    study = optuna.create_study(directions=directions)
    for _ in range(80):
        values = [float(rng.randint(0, 4)) for _ in directions]
        spreads = [0.0] * 3
        values[position], spreads[position] = rng.uniform(1, 4), rng.choice([0.1, 0.5, 1.5])
        study.add_trial(create_trial(values=values, user_attrs={"spreads": spreads}))
    found = pareto.non_dominated(study.trials, directions)
    assert {trial.number for trial in found} == brute_force(study.trials, directions)
    assert {trial.number for trial in found} != {trial.number for trial in study.best_trials}
    assert found[0] == pareto.ranked(study.trials, directions)[0]


def test_being_equal_in_latency_carries_no_further() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for accuracy, latency, spread in (
        (0.9, 1.0, 0.6),
        (0.9, 1.5, 0.6),
        (0.9, 2.0, 0.6),
        (0.8, 1.2, 0.1),
        (0.8, 0.3, 0.1),
    ):
        study.add_trial(create_trial(values=[accuracy, latency], user_attrs={"spreads": [0.0, spread]}))
    # 2 is equal to 1, but slower than 0; 3 is slower than 4; 1 and 0 are equal.
    assert [trial.number for trial in pareto.non_dominated(study.trials, ["maximize", "minimize"])] == [0, 1, 4]
    assert [trial.number for trial in study.best_trials] == [0, 4]


def test_spreads_of_other_programs_are_none() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for values, attrs in (([1.0, 1.0], {"spreads": [9.0]}), ([1.0, 2.0], {"spreads": "wide"})):
        study.add_trial(create_trial(values=values, user_attrs=attrs))
    assert [trial.number for trial in pareto.non_dominated(study.trials, ["maximize", "minimize"])] == [0]
