"""A search that begins with what earlier searches have found."""

import json
from pathlib import Path

import pytest

from tests.conftest import command

SMALL = ["--set", "trainer.max_epochs=3", "--workers", "1", "--pack", "off"]


def test_a_search_begins_with_the_best_of_an_earlier_one_also_when_that_is_deleted(place: Path) -> None:
    assert command("run", "--n-trials", 2, "--name", "first", *SMALL, cwd=place).returncode == 0
    second = ["--name", "second", *SMALL, "--set", "learn_from=['first']"]
    ran = command("run", "--n-trials", 1, *second, cwd=place)
    assert ran.returncode == 0, ran.stderr
    assert best(place, "second") == pytest.approx(best(place, "first"))
    assert command("delete", "--study", "first", "--yes", cwd=place).returncode == 0
    again = command("run", "--n-trials", 2, *second, cwd=place)
    assert again.returncode == 0, again.stderr


def best(place: Path, name: str) -> dict[str, object]:
    results = json.loads((place / "studies" / name / "results.json").read_text())
    return dict(results["leaders"][0]["params"])


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("['other']", "learn_from = 'other': no such study: there is no storage"),
        ("['digits']", "learn_from = 'digits': is this study"),
        ("['other', 'other']", "learn_from = 'other': is there twice; write it once"),
    ],
)
def test_a_wrong_name_is_a_line_and_nothing_is_written(place: Path, names: str, line: str) -> None:
    before = sorted(place.rglob("*"))
    refused = command("run", "--n-trials", 1, *SMALL, "--set", f"learn_from={names}", cwd=place)
    assert refused.returncode == 2
    assert line in refused.stderr
    assert sorted(place.rglob("*")) == before
