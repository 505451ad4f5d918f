"""Every module of the table through search, evaluation, retraining and loading: the numbers are plain Lightning's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lightsearch
from lightsearch.confirm.evaluation import evaluate
from tests.other_people.case import RATE, Case, of_model
from tests.other_people.journey import URL, Journey, travel
from tests.other_people.table import TABLE

VARIANTS = frozenset(
    {"kaggle_mlp_sampled", "one_cycle_unclipped", "pendulum_precision", "click_stream_limited", "augmented"}
)
"""Further studies of modules that the table has."""
PLAINLY_REFUSED = frozenset(
    {"gan", "one_cycle", "own_callbacks", "ema", "two_towers", "char_lm", "warmed_up", "untested"}
)
"""What packs refuse by a hook or a Trainer's argument, or what ``test_one_by_one`` says all of."""


def names(less_telling: frozenset[str]) -> list[Any]:
    """The table's names; of some the test is slow."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in less_telling)) for name in TABLE]


@pytest.mark.parametrize("name", names(VARIANTS))
def test_one_by_one(name: str, project: Path) -> None:
    assert_no_problems(travel(name, TABLE[name], pack=1))


@pytest.mark.parametrize("name", names(VARIANTS | PLAINLY_REFUSED))
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
