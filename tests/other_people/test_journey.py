"""Each module of the table is searched, evaluated, retrained and loaded: the metrics are those of plain Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lightsearch
from lightsearch.confirm.evaluation import evaluate
from tests.other_people.case import RATE, Case, of_model
from tests.other_people.journey import URL, Journey, travel
from tests.other_people.table import TABLE

ALWAYS_ONE_BY_ONE = frozenset({"bare_net", "gan", "template_module"})
"""The cases that differ most from each other; the tests of all others are slow."""
ALWAYS_IN_PACKS = frozenset({"digits_cnn", "kaggle_mlp"})


def names(always: frozenset[str]) -> list[Any]:
    """The table's names; the tests of those that are not in ``always`` are slow."""
    return [pytest.param(name, marks=[] if name in always else pytest.mark.slow) for name in TABLE]


@pytest.mark.parametrize("name", names(ALWAYS_ONE_BY_ONE))
def test_one_by_one(name: str, project: Path) -> None:
    assert_no_problems(travel(name, TABLE[name], pack=1))


@pytest.mark.parametrize("name", names(ALWAYS_IN_PACKS))
def test_in_packs(name: str, project: Path) -> None:
    assert_no_problems(travel(name, TABLE[name], pack=4))


def assert_no_problems(journey: Journey) -> None:
    if journey.problems:
        pytest.fail("\n".join(journey.problems), pytrace=False)


def test_a_split_that_nobody_seeded_is_one_in_all_trials_and_in_the_test(project: Path) -> None:
    case = Case(
        "random_split without a generator",
        model="unseeded_split.Logistic",
        data="unseeded_split.Unseeded",
        metric="val_loss",
        direction="minimize",
        space=of_model(lr=RATE),
    )
    result = lightsearch.search(case.study("unseeded"), n_trials=2, workers=2, pack=1, storage=URL)
    rows = [trial.user_attrs["result"]["metrics"] for trial in result.study.trials]
    assert rows[0]["val_row"] == rows[1]["val_row"]
    (tested,) = evaluate("unseeded", url=URL, data_dir=None)
    # Means of the samples' numbers, 0 to 399: each is in one of the three parts.
    sums = 300 * rows[0]["train_row"], 50 * rows[0]["val_row"], 50 * tested.metrics["test_row"]
    assert sum(sums) == pytest.approx(399 * 400 / 2, rel=1e-5)
