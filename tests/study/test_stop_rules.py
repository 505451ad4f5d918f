"""The rules of [stop], and the estimate of what further trials gain."""

import math
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.declare.sections import StopRules
from lightsearch.declare.validation import validate
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.remaining_gain import remaining_gain
from lightsearch.study.stop_rules import reason_to_stop
from tests.conftest import digits


def finished(values: list[float], *, pruned: tuple[int, ...] = ()) -> list[FrozenTrial]:
    trials = []
    for number, value in enumerate(values):
        kind = Kind.PRUNED if number in pruned else Kind.COMPLETE
        outcome = Outcome(number=number, kind=kind, value=value)
        attrs = {"kind": str(kind), "result": outcome.model_dump(mode="json", exclude={"params", "kind"})}
        state = TrialState.PRUNED if number in pruned else TrialState.COMPLETE
        trial = create_trial(state=state, value=None if number in pruned else value, user_attrs=attrs)
        trial.number = number
        trials.append(trial)
    return trials


@pytest.mark.parametrize(
    ("rules", "values", "direction", "stops"),
    [
        ({"value": 0.9}, [0.5, 0.9], "maximize", True),
        ({"value": 0.9}, [0.5, 0.89], "maximize", False),
        ({"value": 0.1}, [0.5, 0.1], "minimize", True),
        ({"patience": 3}, [0.5, 0.4, 0.5, 0.3], "maximize", True),
        ({"patience": 3}, [0.5, 0.4, 0.51, 0.3], "maximize", False),
        ({"patience": 3, "min_delta": 0.02}, [0.5, 0.4, 0.51, 0.3], "maximize", True),
        ({"patience": 3, "min_delta": 0.02}, [0.5, 0.51, 0.52, 0.53], "maximize", False),  # small steps add up
        ({"patience": 3}, [0.5, 0.6, 0.5, 0.7], "minimize", True),
        ({"min_gain": 0.01, "horizon": 10}, [0.9 + number % 5 / 1e4 for number in range(14)], "maximize", True),
        ({"min_gain": 0.01, "horizon": 10}, [number / 10 for number in range(14)], "maximize", False),
        ({"min_gain": 0.01, "horizon": 10}, [0.9] * 13, "maximize", False),  # not yet five in a row
        ({}, [0.5] * 100, "maximize", False),
    ],
)
def test_a_rule(rules: dict[str, Any], values: list[float], direction: str, stops: bool) -> None:
    reason = reason_to_stop(StopRules(**rules), finished(values), direction)
    assert (reason is not None) is stops


def test_a_pruned_trial_is_no_improvement(tmp_path: object) -> None:
    rules = StopRules(patience=2)
    assert reason_to_stop(rules, finished([0.5, 0.9, 0.4], pruned=(1,)), "maximize") is not None
    assert reason_to_stop(rules, finished([0.9, 0.9, 0.4], pruned=(0, 1, 2)), "maximize") is None  # nothing complete


def test_the_bound_holds_as_often_as_it_claims() -> None:
    """On values with an exponential tail, for which the estimate is exact."""
    random, below, gains, expected = np.random.default_rng(1), 0, [], []
    for _ in range(300):
        values = random.exponential(size=40)
        estimate = remaining_gain(list(values[:20]), 20, maximize=True)
        assert estimate is not None
        gains.append(max(0.0, values[20:].max() - values[:20].max()))
        expected.append(estimate.expected)
        below += gains[-1] <= estimate.upper
    assert 0.85 < below / 300 < 0.95
    assert math.isclose(np.mean(gains), np.mean(expected), rel_tol=0.25)


def test_the_estimate_has_the_metrics_unit_and_direction() -> None:
    values = [math.sin(number) for number in range(20)]
    one, other = remaining_gain(values, 20, maximize=True), remaining_gain([-v for v in values], 20, maximize=False)
    assert one is not None
    assert other is not None
    assert (one.expected, one.upper, one.best) == (other.expected, other.upper, -other.best)
    tenfold = remaining_gain([10 * value for value in values], 20, maximize=True)
    assert tenfold is not None
    assert math.isclose(tenfold.upper, 10 * one.upper)


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        ({"min_delta": 0.1}, "min_delta belongs to patience"),
        ({"horizon": 30}, "horizon belongs to min_gain"),
        ({"patience": 0}, "stop.patience = 0"),
        ({"patiense": 3}, 'did you mean "patience"'),
    ],
)
def test_mistakes(stop: dict[str, Any], line: str) -> None:
    declared = {**digits().model_dump(mode="json", by_alias=True, exclude_none=True), "stop": stop}
    _, mistakes = validate(declared)
    assert any(line in str(mistake) for mistake in mistakes), [str(mistake) for mistake in mistakes]


def test_one_objective_only() -> None:
    declared = digits().model_dump(mode="json", by_alias=True, exclude_none=True)
    several = {"metric": ["val_acc", "parameters"], "direction": ["maximize", "minimize"], "stop": {"patience": 3}}
    _, mistakes = validate({**declared, **several})
    assert "compare by one objective" in str(mistakes[0])
