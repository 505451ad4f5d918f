"""The race for further runs: which configurations are trained again."""

from __future__ import annotations

import statistics

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.declare.sections import ValidationSpec
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.budget import n_epochs
from lightsearch.study.racing import RUNS, is_worth_another, runs_attribute

SEEDS, FOLDS = ValidationSpec(seeds=3), ValidationSpec(folds=3)


def trial(values: list[float], state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    kind = Kind.COMPLETE if state is TrialState.COMPLETE else Kind.PRUNED
    outcome = Outcome(number=0, kind=kind, value=statistics.fmean(values), run_values=values)
    attrs = {"kind": str(kind), "result": outcome.model_dump(mode="json", exclude={"params", "kind"})}
    value = outcome.value if state is TrialState.COMPLETE else None
    made = create_trial(state=state, value=value, user_attrs={**attrs, RUNS: runs_attribute(values, 7)})
    made.number = 0
    return made


COMPLETE = [trial([0.90, 0.91, 0.92]), trial([0.88, 0.89, 0.90]), trial([0.85, 0.86, 0.87])]
"""The standard deviation in each is 0.01: with 6 degrees of freedom the margin of one value is
1.943 x 0.01 x sqrt(1 + 1/3) = 0.0224."""


@pytest.mark.parametrize(
    ("values", "worth"),
    [([0.889], True), ([0.887], False), ([0.89, 0.89], False), ([0.95], True), ([0.889, 0.905], True)],
)
def test_a_configuration_within_the_margin_of_the_best_is_trained_again(values: list[float], worth: bool) -> None:
    assert is_worth_another(values, COMPLETE, SEEDS, "maximize") is worth
    mirrored = [trial([1 - value for value in one.user_attrs[RUNS]["values"]]) for one in COMPLETE]
    assert is_worth_another([1 - value for value in values], mirrored, SEEDS, "minimize") is worth


def test_every_configuration_is_trained_again_until_three_have_all_runs() -> None:
    lost = trial([0.90, 0.91, 0.92], TrialState.PRUNED)
    assert is_worth_another([0.1], [*COMPLETE[:2], lost], SEEDS, "maximize")
    assert not is_worth_another([0.1], [*COMPLETE, lost], SEEDS, "maximize")


def test_folds_are_compared_with_the_same_folds() -> None:
    hard_last = [trial([0.90, 0.80, 0.70]), trial([0.89, 0.80, 0.69]), trial([0.91, 0.80, 0.71])]
    # On the first fold 0.85 is far behind, although it is above the best mean.
    assert not is_worth_another([0.85], hard_last, FOLDS, "maximize")
    assert is_worth_another([0.85], hard_last, SEEDS, "maximize")
    assert is_worth_another([0.905], hard_last, FOLDS, "maximize")


def test_the_epochs_of_further_runs_count() -> None:
    assert n_epochs([trial([0.5, 0.6, 0.7])]) == 7
