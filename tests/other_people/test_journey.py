"""Every module of the table through search, evaluation, retraining and loading: the numbers are plain Lightning's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.other_people.journey import Journey, travel
from tests.other_people.table import TABLE


@pytest.mark.parametrize("name", TABLE)
def test_one_by_one(name: str, project: Path) -> None:
    assert_no_problems(travel(name, TABLE[name], pack=1))


@pytest.mark.parametrize("name", TABLE)
def test_in_packs(name: str, project: Path) -> None:
    assert_no_problems(travel(name, TABLE[name], pack=4))


def assert_no_problems(journey: Journey) -> None:
    if journey.problems:
        pytest.fail("\n".join(journey.problems), pytrace=False)
