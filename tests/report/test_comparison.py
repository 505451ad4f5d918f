"""Studies side by side: what is said of them, and the page in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.errors import UserError
from lightsearch.report.comparison import write_comparison
from lightsearch.report.comparison.differences import differences
from lightsearch.report.comparison.plots import best_curves
from lightsearch.report.comparison.spent import best_so_far
from lightsearch.report.comparison.verdict import verdict
from lightsearch.report.facts.facts import gather
from tests.report.studies import fill


def named(name: str, n: int = 30, *, direction: str = "maximize", epochs: int = 8, **declared: Any) -> optuna.Study:
    """A study of n trials."""
    study = optuna.create_study(study_name=name, direction=direction)
    fill(study, n, epochs=epochs)
    study.set_user_attr("fingerprint", {**study.user_attrs["fingerprint"], **declared})
    return study


def test_the_verdict_knows_noise(tmp_path: Path) -> None:
    short, long = named("short", epochs=2), named("long")
    said = verdict([gather(short), gather(long)])
    assert re.fullmatch(r"long reaches val_acc 9\d\.\d%, short \d\d\.\d%: more than the noise .* explains\.", said)
    alike = named("alike", epochs=7)
    assert "no more than the noise" in verdict([gather(alike), gather(long)])
    assert verdict([gather(long), gather(long)]).endswith("they are equal.")
    nothing = optuna.create_study(study_name="nothing", direction="maximize")
    assert verdict([gather(long), gather(nothing)]) == "Nothing to compare yet: no trial of nothing is complete."


def test_what_differs_is_listed() -> None:
    space = {"model": {"width": {"int": [1, 8]}, "rate": {"float": [0.1, 1.0]}}}
    wider = {"model": {"width": {"int": [1, 64], "log": True}, "rate": {"float": [0.1, 1.0]}}}
    found = differences([gather(named("a", 3, space=space)), gather(named("b", 3, space=wider, epochs=9))])
    assert found == [
        ("trainer.max_epochs", ["8", "9"]),
        ("space.model.width", ["{ int = [1, 8] }", "{ int = [1, 64], log = true }"]),
    ]


@pytest.mark.parametrize(("declared", "first"), [({}, 1), ({"objective": "mine.objective"}, 0)])
def test_people_count_epochs_from_1_and_a_function_its_steps_itself(declared: dict[str, Any], first: int) -> None:
    (plot,) = best_curves([gather(named("a", **declared)), gather(named("b", **declared))])
    assert [trace["x"][0] for trace in plot.data] == [first, first]


def test_all_epochs_count_and_the_end_is_the_best() -> None:
    facts = gather(named("a"))
    found = best_so_far(facts)
    assert [one.epochs for one in found] == sorted(one.epochs for one in found)
    assert [one.best for one in found] == sorted(one.best for one in found)
    assert facts.best is not None
    assert found[-1].best == facts.best.value
    assert found[-1].epochs == sum(len(row.trial.intermediate_values) for row in facts.rows)
    assert found[-1].seconds == facts.clock.seconds


def test_studies_of_other_metrics_are_refused(tmp_path: Path) -> None:
    ours, theirs = named("ours", 3), named("theirs", 3, direction="minimize")
    both = optuna.create_study(study_name="both", directions=["maximize", "minimize"])
    with pytest.raises(UserError) as raised:
        write_comparison([ours, theirs, both, ours], tmp_path / "report")
    said = [str(mistake) for mistake in raised.value.mistakes]
    assert said == [
        "--study = 'ours': is named twice",
        "--study = 'theirs': minimizes val_acc, and ours maximizes val_acc; compare studies of one metric",
        "--study = 'both': has several objectives; compare studies that have one",
    ]
    assert not (tmp_path / "report").exists()


def test_nothing_is_written_where_one_report_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "report" / "b" / "report.html").mkdir(parents=True)
    with pytest.raises(UserError, match="has the name of one of the report's files"):
        write_comparison([named("a", 3), named("b", 3)], tmp_path / "report")
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["b"]


COLOURS = """() => [
  [...document.querySelectorAll(".key")].map(key => getComputedStyle(key).backgroundColor),
  [...document.querySelectorAll("#best .scatterlayer .js-line")].map(line => line.style.stroke),
]"""
"""The colours of the studies: beside their names, and in a plot."""


def test_a_study_has_one_colour_in_each_theme(tmp_path: Path, browser: Any) -> None:
    write_comparison([named("first"), named("second", epochs=3)], tmp_path / "report")
    page, complaints = browser(tmp_path / "report" / "report.html", 1300, "light")
    page.locator("#best").scroll_into_view_if_needed()
    page.locator("#best .plot[data-drawn]").wait_for(timeout=60_000)
    light, lines = page.evaluate(COLOURS)
    assert light == lines
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => ({COLOURS})()[1].every((one, i) => one !== before[i])", arg=light)
    dark, lines = page.evaluate(COLOURS)
    assert dark == lines
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # paper is light
    page.wait_for_function(f"light => String(({COLOURS})()) === String([light, light])", arg=light)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(f"dark => String(({COLOURS})()) === String([dark, dark])", arg=dark)
    assert len({*light, *dark}) == 4
    assert complaints == []


def test_page_in_a_browser(tmp_path: Path, browser: Any) -> None:
    said = write_comparison([named("first"), named("a second", epochs=3, seed=7)], tmp_path / "report")
    page, complaints = browser(tmp_path / "report" / "report.html", 1300, "light")
    assert page.locator("h1").inner_text() == said
    for section in ("progress", "best", "slices"):
        page.locator(f"#{section}").scroll_into_view_if_needed()
        page.locator(f"#{section} .plot[data-drawn]").first.wait_for(timeout=60_000)
    assert page.locator("#progress .plot").first.locator(".scatterlayer .js-line").count() == 2
    assert page.locator("#differences tbody tr").all_inner_texts() == ["seed\t42\t7", "trainer.max_epochs\t8\t3"]
    page.get_by_role("link", name="a second").click()
    page.wait_for_url("**/a%20second/report.html")
    assert page.locator(".eyebrow span").inner_text() == "a second"
    summary = json.loads((tmp_path / "report" / "first" / "summary.json").read_text("utf-8"))
    assert summary["best"]["value"] == named("first").best_value
    assert complaints == []
