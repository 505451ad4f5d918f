import optuna
import pytest
from optuna.trial import FixedTrial
from pydantic import ValidationError

from lightsearch.space import FloatParameter, IntParameter, Space


def test_values_reach_the_section_that_takes_them() -> None:
    space = Space.model_validate(
        {
            "model": {"hidden_size": {"int": [16, 64]}, "dropout": {"float": [0, 0.5], "step": 0.25}},
            "data": {"batch_size": {"choice": [32, 64]}, "dropout": {"float": [0.0, 0.1]}},
            "trainer": {"max_epochs": {"int": [1, 3]}},
        }
    )
    params = {"hidden_size": 20, "model.dropout": 0.25, "batch_size": 64, "data.dropout": 0.1, "max_epochs": 2}
    assert space.suggest(FixedTrial(params)) == params
    assert space.split(params) == {
        "model": {"hidden_size": 20, "dropout": 0.25},
        "data": {"batch_size": 64, "dropout": 0.1},
        "trainer": {"max_epochs": 2},
    }


@pytest.mark.parametrize(
    ("declared", "low", "high"),
    [({"int": [16, 512], "log": True}, 16, 512), ({"int": [2, 10], "step": 4}, 2, 10), ({"float": [1e-4, 1]}, 1e-4, 1)],
)
def test_samples_stay_within_the_bounds(declared: dict[str, object], low: float, high: float) -> None:
    space = Space.model_validate({"model": {"x": declared}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        assert low <= space.suggest(study.ask())["x"] <= high  # type: ignore[operator]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"int": [5, 1]}, "above the upper bound"),
        ({"int": [0, 5], "log": True}, "above 0"),
        ({"float": [1, 5], "log": True, "step": 1}, "exclude each other"),
        ({"float": [0, float("inf")]}, "finite"),
        ({"int": [1, 2, 3]}, "at most 2 items"),
        ({"int": [1.5, 3]}, "valid integer"),
        ({"int": [1, 5], "step": 0}, "greater than or equal to 1"),
        ({"choice": []}, "at least 1 item"),
        ({"choice": [1, 1]}, "twice"),
        ({"choise": [1]}, "choice"),
        ({"int": [1, 2], "float": [1, 2]}, "write"),
        (3, "write"),
    ],
)
def test_a_bad_range_is_refused(declared: object, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Space.model_validate({"model": {"x": declared}})


def test_true_and_one_are_different_choices() -> None:
    Space.model_validate({"model": {"x": {"choice": [True, 1]}}})


def test_grid() -> None:
    assert IntParameter.model_validate({"int": [1, 7], "step": 3}).grid() == [1, 4, 7]
    assert FloatParameter.model_validate({"float": [0, 0.3], "step": 0.1}).grid() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert Space.model_validate({"model": {"x": {"choice": ["a"]}, "y": {"float": [0, 1]}}}).grid() is None
