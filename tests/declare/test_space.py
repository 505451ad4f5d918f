"""The search space: parameters, conditions, lists, and the names in the study."""

import optuna
import pytest
from optuna.trial import FixedTrial
from pydantic import ValidationError

from lightsearch.declare.scalars import FloatParameter, IntParameter
from lightsearch.declare.space import Space
from lightsearch.study.samplers import seeded_sampler
from tests.conftest import digits


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
        "callbacks": {},
        "config": {},
    }


def test_a_trainer_key_of_a_configuration_is_a_keyword_argument_and_the_others_are_tables() -> None:
    sampled = {"trainer.max_epochs": {"int": [1, 3]}, "trainer.callbacks.0.init_args.patience": {"int": [1, 3]}}
    space = Space.model_validate({"config": sampled})
    params = {"trainer.max_epochs": 2, "trainer.callbacks.0.init_args.patience": 3}
    split = space.split(params)
    assert split["trainer"] == {"max_epochs": 2}
    assert split["config"] == {"trainer": {"callbacks": {"0": {"init_args": {"patience": 3}}}}}


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
        ({"float": [-1e308, 1e308]}, "finite numbers between"),
        ({"float": [1e-300, 1], "log": True}, "lower bound of 1e-150 or more"),
        ({"float": [0, 10**400]}, "int too large|finite|valid number"),
        ({"int": [0, 2**80]}, "between -2\\*\\*53 and"),
        ({"float": [0, 1], "step": float("inf")}, "write a finite number"),
        ({"float": [0, 1], "step": float("nan")}, "greater than 0"),
        ({"float": [0, 1], "step": 1e-300}, "more steps than can be counted"),
        ({"float": [0, 1], "step": 2.0}, "is more than the range"),
        ({"int": [1, 4], "step": 9}, "is more than the range"),
        ({"list": {"int": [1, 2]}, "length": 10**6}, "1000 at most"),
        ({"choice": [1.0, float("nan")]}, "write a finite number"),
        ({"int": [1, 2, 3]}, "at most 2 items"),
        ({"int": [1.5, 3]}, "valid integer"),
        ({"int": [1, 5], "step": 0}, "greater than or equal to 1"),
        ({"choice": []}, "at least 1 item"),
        ({"choice": [1, 1]}, "twice"),
        ({"choise": [1]}, "choice"),
        ({"int": [1, 2], "float": [1, 2]}, "write"),
        ({"list": {"int": [1, 2]}, "length": [3, 1]}, "write a number, or"),
        ({"list": {"int": [2, 1]}, "length": 3}, "above the upper bound"),
        ({"inner": {"int": [1, 2]}}, "in quotes"),
        ({"int": [1, 2], "when": {"y": 1}}, "no parameter before it"),
    ],
)
def test_a_bad_range_is_refused(declared: object, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Space.model_validate({"model": {"x": declared}})


def test_a_range_of_one_value_is_one() -> None:
    for declared in ({"int": [4, 4], "step": 9}, {"float": [0.5, 0.5]}, {"float": [0.5, 0.5], "log": True}):
        assert Space.model_validate({"model": {"x": declared}}).is_sampled({"x": declared.get("int", [0.5])[0]})


@pytest.mark.parametrize("names", [["encoder", "encoder.depth"], ["a..b"], [""], ["x" * 300], ["a\nb"]])
def test_a_name_that_makes_no_argument_is_refused(names: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"is a part of it|is not the name of an argument"):
        Space.model_validate({"model": {name: {"int": [1, 2]} for name in names}})


def test_an_enqueued_value_has_the_type_of_the_choice() -> None:
    space = Space.model_validate({"model": {"decay": {"choice": [0.0, 0.1]}, "x": {"choice": [True, 1, 1.0]}}})
    trial = optuna.trial.FixedTrial({"decay": 0, "x": 1})
    assert [repr(value) for value in space.suggest(trial).values()] == ["0.0", "1"]


def test_true_and_one_are_different_choices() -> None:
    Space.model_validate({"model": {"x": {"choice": [True, 1]}}})


def test_grid() -> None:
    assert IntParameter.model_validate({"int": [1, 7], "step": 3}).grid() == [1, 4, 7]
    assert FloatParameter.model_validate({"float": [0, 0.3], "step": 0.1}).grid() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert Space.model_validate({"model": {"x": {"choice": ["a"]}, "y": {"float": [0, 1]}}}).grid() is None


def expressive() -> Space:
    return Space.model_validate(
        {
            "model": {
                "optimizer": {"choice": ["adam", "sgd"]},
                "momentum": {"float": [0.0, 0.9], "when": {"optimizer": "sgd"}},
                "widths": {"list": {"int": [8, 64], "log": True}, "length": [1, 3]},
                "kernel": {"list": {"choice": [3, 5]}, "length": 2, "when": {"optimizer": ["adam", "rmsprop"][:1]}},
                "dropout": 0.1,
                "betas": [0.9, 0.99],
                "encoder.depth": {"int": [1, 4]},
            }
        }
    )


def test_an_expressive_space_makes_arguments() -> None:
    space = expressive()
    sgd = {"optimizer": "sgd", "momentum": 0.5, "widths.length": 2, "widths.0": 8, "widths.1": 16, "encoder.depth": 3}
    assert space.suggest(FixedTrial(sgd)) == sgd
    assert space.split(sgd)["model"] == {
        **{"optimizer": "sgd", "momentum": 0.5, "widths": [8, 16], "dropout": 0.1, "betas": [0.9, 0.99]},
        "encoder": {"depth": 3},
    }
    adam = {"optimizer": "adam", "widths.length": 1, "widths.0": 64, "kernel.0": 3, "kernel.1": 5, "encoder.depth": 1}
    assert space.suggest(FixedTrial({**adam, "momentum": 0.5})) == adam  # not sampled for adam
    assert "momentum" not in space.split(adam)["model"]
    assert space.split(adam)["model"]["kernel"] == [3, 5]
    for params in (sgd, adam):
        assert space.join(space.split(params)) == params


def test_what_cannot_be_sampled_is_no_configuration() -> None:
    space = Space.model_validate({"model": {"x": {"int": [1, 4]}, "y": {"choice": ["a"]}}})
    with pytest.raises(ValueError, match="x = 9 is outside the space"):
        space.join({"model": {"x": 9, "y": "a"}, "data": {}, "trainer": {}})
    with pytest.raises(ValueError, match="y has no value"):
        space.join({"model": {"x": 1}, "data": {}, "trainer": {}})


def test_a_condition_that_is_never_met_is_refused() -> None:
    model = {"optimizer": {"choice": ["adam"]}, "momentum": {"float": [0, 1], "when": {"optimizer": "sgd"}}}
    with pytest.raises(ValidationError, match="optimizer = 'sgd', which is never sampled"):
        Space.model_validate({"model": model})


def test_tpe_samples_parameters_of_some_trials_together() -> None:
    study_file = digits(
        "space.model={hidden_size={int=[16, 64]}, learning_rate={float=[1e-3, 1e-1], when={hidden_size=[16, 17]}}}"
    )
    assert study_file.space.conditional
    assert not digits().space.conditional
    assert seeded_sampler(study_file)._make(0)._group  # type: ignore[attr-defined]
    assert not seeded_sampler(digits())._make(0)._group  # type: ignore[attr-defined]


SAMPLED = {
    "lr": {"float": [1e-4, 1e-1], "log": True, "prior": 1e-3},
    "optimizer": {"choice": ["adam", "sgd"], "prior": "sgd"},
    "depth": {"int": [1, 4]},
    "widths": {"list": {"int": [8, 64]}, "length": [1, 3], "prior": [32, 16]},
    "channels": {"list": {"int": [8, 64], "prior": 24}, "length": [1, 2]},
}


def test_what_is_believed_has_the_names_of_the_study() -> None:
    assert Space.model_validate({"model": SAMPLED}).prior == {
        "lr": 1e-3,
        "optimizer": "sgd",
        **{"widths.length": 2, "widths.0": 32, "widths.1": 16},
        **{"channels.0": 24, "channels.1": 24},
    }


def test_what_is_believed_is_no_part_of_the_fingerprint() -> None:
    plain = {name: {key: one for key, one in table.items() if key != "prior"} for name, table in SAMPLED.items()}
    plain["channels"] = {"list": {"int": [8, 64]}, "length": [1, 2]}
    believing, other = digits(), digits()
    believing = believing.model_copy(update={"space": Space.model_validate({"model": SAMPLED})})
    other = other.model_copy(update={"space": Space.model_validate({"model": plain})})
    assert believing.fingerprint() == other.fingerprint()
    assert "prior" not in str(believing.fingerprint())


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"int": [1, 9], "prior": 10}, "prior = 10 is never sampled; write whole numbers from 1 to 9"),
        ({"int": [1, 9], "step": 2, "prior": 4}, "in steps of 2"),
        ({"float": [0.1, 1.0], "prior": "a"}, "prior = 'a' is never sampled; write numbers from 0.1 to 1"),
        ({"choice": [32, 64], "prior": 48}, "write one of 32, 64"),
        ({"choice": [0, 1], "prior": True}, "write one of 0, 1"),
        ({"list": {"int": [1, 9]}, "length": [1, 2], "prior": [1, 2, 3]}, r"write lists of 1 to 2 items"),
        ({"fixed": 3, "prior": 3}, "Extra inputs"),
    ],
)
def test_a_prior_is_a_value_that_is_sampled(declared: dict[str, object], line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        Space.model_validate({"model": {"x": declared}})
