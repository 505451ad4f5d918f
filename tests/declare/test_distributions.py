"""Parameters of the space as Python writes them."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

import lightsearch
from lightsearch import Choice, Fixed, Float, Int, List
from lightsearch.data import ImageData
from lightsearch.declare import distributions
from lightsearch.declare.from_python import as_declaration
from lightsearch.declare.validation import validate
from lightsearch.errors import UserError


@pytest.mark.parametrize(
    ("written", "table"),
    [
        ("Int(16, 512, log=True)", {"int": [16, 512], "log": True}),
        ("Int(1, 8, step=2)", {"int": [1, 8], "step": 2}),
        ("Float(0.0001, 0.1, log=True)", {"float": [1e-4, 1e-1], "log": True}),
        ("Choice('adam', 'sgd')", {"choice": ["adam", "sgd"]}),
        ("Choice(1)", {"choice": [1]}),
        ("Float(0.8, 0.99, when={'optimizer': 'sgd'})", {"float": [0.8, 0.99], "when": {"optimizer": "sgd"}}),
        ("List(Int(16, 256), length=(1, 3))", {"list": {"int": [16, 256]}, "length": [1, 3]}),
        ("Fixed([1, 2])", {"fixed": [1, 2]}),
    ],
)
def test_each_is_a_table_of_a_study_file_and_shows_itself_as_written(written: str, table: dict[str, Any]) -> None:
    one = eval(written, {**vars(distributions)})
    assert one.table == table
    assert repr(one) == written
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.when = None


@pytest.mark.parametrize("values", [[32, 64], (32, 64), range(32, 65, 32), np.array([32, 64])])
def test_choices_may_be_a_list(values: Any) -> None:
    assert Choice(values) == Choice(32, 64)


def test_values_of_numpy_are_values_of_python() -> None:
    assert repr(Int(np.int64(1), np.int32(8), log=np.bool_(True))) == "Int(1, 8, log=True)"
    assert repr(Choice(np.float64(0.5), np.str_("a"))) == "Choice(0.5, 'a')"
    assert repr(List(Int(1, 2), length=np.array([1, 2]))) == "List(Int(1, 2), length=(1, 2))"
    declared = as_declaration(STUDY, seed=np.int64(3), space={"model": {"dropout": np.float32(0.5)}})
    assert (type(declared["seed"]), type(declared["space"]["model"]["dropout"])) == (int, float)


def test_one_with_a_condition_is_hashable_and_keeps_a_copy() -> None:
    when = {"optimizer": ["sgd"]}
    one = Int(1, 2, when=when)
    when["optimizer"].append("adam")
    assert one == Int(1, 2, when={"optimizer": ["sgd"]})
    assert (
        len({one, Int(1, 2, when={"optimizer": ["sgd"]}), Choice(1), Fixed([1]), List(Int(1, 2), length=[1, 2])}) == 4
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Int(512, 16), "Int(512, 16): the lower bound 512 is above the upper bound 16; swap them"),
        (lambda: Int(1, 2.5), "Int(1, 2.5): 2.5 should be a valid integer"),  # type: ignore[arg-type]
        (lambda: Float(0, 1, log=True), "Float(0, 1, log=True): log=True needs a lower bound above 0, not 0"),
        (lambda: Choice(), "Choice(): []: should have at least 1 item"),
        (lambda: Choice({1, 2}), "Choice({1, 2}): {1, 2}: write a boolean, a number or a string"),
        (lambda: List(Int(1, 2), length=0), "List(Int(1, 2), length=0): length=0: the list is always empty; write a "),
        (lambda: Choice([1], 2), "Choice([1], 2): [1]: write a boolean, a number or a string"),
        (lambda: List(3, length=2), "List(3, length=2): 3: give an Int, a Float or a Choice"),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_is_raised_where_it_is_made(make: Any, says: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  (the whole message is compared)
        make()
    assert str(raised.value).startswith(says)


STUDY = {"name": "x", "model": lightsearch.Classifier, "data": ImageData}


def test_a_declaration_with_them_is_that_of_a_file() -> None:
    space = {"model": {"hidden_size": Int(8, 32), "dropout": 0.1}, "trainer": {"max_epochs": Choice(1, 2)}}
    tables = {"model": {"hidden_size": {"int": [8, 32]}, "dropout": 0.1}, "trainer": {"max_epochs": {"choice": [1, 2]}}}
    study_file, mistakes = validate(as_declaration(STUDY, space=space))
    assert (study_file, mistakes) == validate(as_declaration({**STUDY, "space": tables}))
    assert study_file is not None


class OfTheTest:
    """A class that may be named within the arguments of another."""


def test_a_class_within_arguments_is_named_by_its_path() -> None:
    model = {"class_path": lightsearch.Classifier, "init_args": {"encoder": {"class_path": OfTheTest}}}
    declared = as_declaration(STUDY, model=model)
    assert declared["model"]["init_args"]["encoder"]["class_path"] == f"{__name__}.OfTheTest"

    class Local:
        pass

    model["init_args"] = {"encoder": {"class_path": Local}}
    with pytest.raises(UserError, match=r"^model.init_args.encoder.class_path = 'Local': is a class of the script"):
        as_declaration(STUDY, model=model)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"trainer": {"max_epochs": Int(1, 2)}}, "trainer.max_epochs = Int(1, 2): what is sampled is in the space; "),
        ({"space": {"hidden_size": Int(1, 2)}}, "space.hidden_size = {'int': [1, 2]}: is in no section; write space.m"),
    ],
)
def test_one_in_the_wrong_place_is_a_mistake(keys: dict[str, Any], line: str) -> None:
    try:
        _, mistakes = validate(as_declaration(STUDY, **keys))
        said = [str(mistake) for mistake in mistakes]
    except UserError as error:
        said = str(error).splitlines()
    assert [text[: len(line)] for text in said] == [line]


@pytest.mark.parametrize(
    ("written", "table"),
    [
        ("Int(16, 512, prior=64)", {"int": [16, 512], "prior": 64}),
        ("Float(0.0001, 0.1, log=True, prior=0.001)", {"float": [1e-4, 1e-1], "log": True, "prior": 1e-3}),
        ("Choice('adam', 'sgd', prior='sgd')", {"choice": ["adam", "sgd"], "prior": "sgd"}),
        ("List(Int(1, 9), length=(1, 3), prior=(2, 3))", {"list": {"int": [1, 9]}, "length": [1, 3], "prior": [2, 3]}),
    ],
)
def test_a_prior_is_written_as_the_other_options(written: str, table: dict[str, Any]) -> None:
    one = eval(written, {**vars(distributions)})
    assert (one.table, repr(one)) == (table, written)


def test_a_prior_outside_of_the_range_is_refused_in_the_words_of_python() -> None:
    with pytest.raises(ValueError, match=r"prior=5 is never sampled; write numbers from 0.1 to 1$"):
        Float(0.1, 1.0, prior=5)
