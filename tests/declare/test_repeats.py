"""[validation]: what is refused before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from lightsearch.declare.validation import validate
from tests.conftest import digits


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"validation": {}}, "validation = {}: write seeds = 3 or folds = 5, one of the two"),
        ({"validation": {"seeds": 3, "folds": 5}}, "one of the two"),
        ({"validation": {"seeds": 1}}, "validation.seeds = 1: "),
        ({"validation": {"seed": 3}}, 'unknown key; did you mean "seeds"?'),
        (
            {"validation": {"seeds": 3}, "trainer": {"devices": 2}},
            "validation.seeds = 3: trials on several devices train once",
        ),
        (
            {"validation": {"seeds": 3}, "metric": ["val_acc", "parameters"], "direction": ["maximize", "minimize"]},
            "the mean of a single objective is meant",
        ),
        ({"validation": {"seeds": 3}, "scheduler": {"name": "pbt"}}, "has the weights of others"),
        ({"validation": {"folds": 3}, "space": {"data": {"fold": {"int": [0, 2]}}}}, "space.data.fold"),
        (
            {"validation": {"folds": 3}, "data": None, "space": {"model": {"hidden_size": {"int": [1, 2]}}}},
            "the model has loaders of its own",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(declared: dict[str, Any], line: str) -> None:
    whole = {**digits().model_dump(by_alias=True, exclude_defaults=True), **declared}
    study_file, mistakes = validate({key: value for key, value in whole.items() if value is not None})
    assert study_file is None
    (mistake,) = mistakes
    assert line in str(mistake)


def test_a_function_has_no_runs() -> None:
    _, mistakes = validate({"name": "f", "objective": "module.function", "validation": {"seeds": 3}})
    assert "has no effect in a study of a function" in str(mistakes[0])


def test_it_shapes_results() -> None:
    declared = digits().model_dump(by_alias=True, exclude_defaults=True)
    plain, _ = validate(declared)
    seeds, _ = validate({**declared, "validation": {"seeds": 3}})
    assert plain is not None
    assert seeds is not None
    assert seeds.fingerprint() == {**plain.fingerprint(), "validation": {"seeds": 3}}
