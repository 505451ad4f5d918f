"""The page in a real browser: what is drawn, and what answers a click, a key, a drag and a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.report.studies import fill, report

DRAWN = "[...document.querySelectorAll('.plot')].every(plot => !plot.offsetParent || 'drawn' in plot.dataset)"


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), pytest.param(390, "dark", marks=pytest.mark.slow)])
def test_page_in_a_browser(study: optuna.Study, tmp_path: Path, browser: Any, width: int, scheme: str) -> None:
    fill(study, 40, kinds=("complete", "pruned", "complete", "user_error"))
    report(study, tmp_path)
    page, complaints = browser(tmp_path / "report" / "report.html", width, scheme)
    for _ in range(40):
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(50)
    page.wait_for_function(DRAWN, timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".plot .main-svg").count() >= 11
    # The table: all rows, sorted by value on a click, the other way on the next; one kind.
    assert page.locator("#table tbody tr").count() == 40
    page.get_by_role("button", name="val_acc").click()
    first = page.locator("#table tbody tr td").nth(2).inner_text()
    best = max(trial.value for trial in study.trials if trial.value is not None)
    assert first == f"{100 * best:.2f}%"
    page.select_option("#kinds", "user_error")
    assert page.locator("#table tbody tr").count() == 10
    assert page.locator("#shown").inner_text() == "10 of 40"
    # The plots follow the theme.
    other = "light" if scheme == "dark" else "dark"
    before = page.locator(".plot .xtick text").first.evaluate("text => text.style.fill")
    page.emulate_media(color_scheme=other)
    page.wait_for_function(
        "before => document.querySelector('.plot .xtick text').style.fill !== before", arg=before, timeout=30_000
    )
    assert complaints == []


def test_empty_page_in_a_browser(study: optuna.Study, tmp_path: Path, browser: Any) -> None:
    report(study, tmp_path)
    page, complaints = browser(tmp_path / "report" / "report.html", 1400, "light")
    assert page.locator("h1").inner_text() == "No trial of digits is complete yet."
    assert page.locator("#missing li").count() >= 6
    assert complaints == []


def opened(study: optuna.Study, tmp_path: Path, browser: Any, width: int = 1400) -> tuple[Any, list[str]]:
    """The page of a study of 40 trials, with its first plots drawn."""
    fill(study, 40, kinds=("complete", "pruned", "complete", "user_error"))
    folder = tmp_path / "none" / "trial-0003"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("epoch é\n<b>the last line</b>\n", encoding="utf-8")
    report(study, tmp_path)
    page, complaints = browser(tmp_path / "report" / "report.html", width, "light")
    page.locator("#progress").scroll_into_view_if_needed()
    page.locator("#progress .plot[data-drawn]").first.wait_for(timeout=60_000)
    return page, complaints


def test_a_click_opens_a_trial(study: optuna.Study, tmp_path: Path, browser: Any) -> None:
    page, complaints = opened(study, tmp_path, browser)
    panel = page.locator("#trial")
    point = page.locator("#progress .plot").first.locator(".scatterlayer .point").last.bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    panel.wait_for(timeout=30_000)
    number = page.evaluate("Number(document.getElementById('trial').dataset.number)")
    assert panel.locator("h2").inner_text().startswith(f"Trial {number} · ")
    panel.locator(".plot[data-drawn]").wait_for(timeout=30_000)
    # By the keyboard: Escape closes it, and the focus is where it was; the address opens one, too.
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    button = page.locator("#table button.trial", has_text="3").first
    button.focus()
    page.keyboard.press("Enter")
    assert panel.locator("h2").inner_text() == "Trial 3 · user_error"
    assert page.evaluate("location.hash") == "#trial-3"
    assert "It failed (user_error; " in panel.locator(".why").inner_text()
    assert panel.get_by_label("log").inner_text() == "epoch é\n<b>the last line</b>\n"
    assert panel.get_by_label("traceback").inner_text().startswith("</script>")
    assert panel.get_by_role("link", name="log.txt").get_attribute("href") == "../none/trial-0003/log.txt"
    panel.get_by_label("next trial").click()
    assert panel.locator("h2").inner_text() == "Trial 4 · complete"
    page.keyboard.press("Escape")
    assert button.evaluate("one => one === document.activeElement")
    assert complaints == []


def test_table_and_plots_follow_the_filter(study: optuna.Study, tmp_path: Path, browser: Any) -> None:
    page, complaints = opened(study, tmp_path, browser)
    rows, shown, query = page.locator("#table tbody tr"), page.locator("#shown"), page.locator("#query")
    low = [trial.number for trial in study.trials if trial.params["learning_rate"] < 0.003]
    query.fill("learning_rate < 0.003")
    assert shown.inner_text() == f"{len(low)} of 40"
    assert rows.count() == len(low)
    dots = "[...document.querySelector('#progress .plot').data].flatMap(one => one.selectedpoints || []).length"
    finished = [trial for trial in study.trials if trial.number in low and trial.state.name != "FAIL"]
    page.wait_for_function(f"{dots} === {len(finished)}", timeout=30_000)
    query.fill("learning_rate < 0.003 user_error")
    assert rows.count() == len([number for number in low if number % 4 == 3])
    query.fill("rate < 1")
    assert shown.inner_text().startswith("no column rate; there are trial, ended_as, val_acc")
    query.fill("val_acc>=90%")
    assert rows.count() == len([trial for trial in study.trials if max(trial.intermediate_values.values()) >= 0.9])
    page.get_by_role("button", name="show all").click()
    assert shown.inner_text() == "40 of 40"
    assert complaints == []


def test_a_drag_over_a_plot_selects_trials(study: optuna.Study, tmp_path: Path, browser: Any) -> None:
    page, complaints = opened(study, tmp_path, browser)
    box = page.locator("#progress .plot").first.locator(".nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] - 2, steps=5)
    page.mouse.up()
    page.wait_for_function("document.getElementById('shown').textContent !== '40 of 40'", timeout=30_000)
    chosen = int(page.locator("#shown").inner_text().split()[0])
    assert 0 < chosen < 30
    assert page.locator("#table tbody tr").count() == chosen
    page.locator("#query").fill("pruned")
    assert 0 < page.locator("#table tbody tr").count() < chosen
    assert complaints == []


def test_axes_are_chosen(study: optuna.Study, tmp_path: Path, browser: Any) -> None:
    page, complaints = opened(study, tmp_path, browser)
    page.locator("#explorer").scroll_into_view_if_needed()
    page.locator("#explorer .plot[data-drawn]").wait_for(timeout=60_000)
    page.select_option("#explorer-x", label="seconds")
    page.select_option("#explorer-colour", label="dropout")
    title = "document.getElementById('explorer-plot').layout.xaxis.title.text"
    page.wait_for_function(f"{title} === 'seconds'", timeout=30_000)
    assert page.locator("#explorer .plot").get_attribute("aria-label") == "val_acc over seconds, coloured by dropout."
    maps = page.locator("#landscape .figures > *")
    assert maps.count() == 6
    page.locator("#landscape select").select_option(index=4)
    assert [maps.nth(i).is_visible() for i in range(6)] == [i == 4 for i in range(6)]
    page.locator("#landscape").scroll_into_view_if_needed()
    maps.nth(4).locator(".plot[data-drawn]").wait_for(timeout=30_000)
    assert complaints == []
