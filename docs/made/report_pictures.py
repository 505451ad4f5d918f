"""Pictures of a real study's report, taken with Chromium.

    python docs/made/report_pictures.py

searches the digits in a temporary folder, with the default scheduler and without one, writes the reports, and takes
docs/assets/report-*.png.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import lightsearch
from lightsearch.report import write_report
from lightsearch.report.comparison import write_comparison

CLONE = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
N_TRIALS = 50


def main() -> None:
    """Searches, and takes the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        scheduled = lightsearch.search(CLONE / "studies" / "digits.toml", n_trials=N_TRIALS)
        pruned = lightsearch.search(
            CLONE / "studies" / "digits.toml", n_trials=N_TRIALS, name="digits-pruned", scheduler={"name": "none"}
        )
        write_report(scheduled.study, Path("report"))
        write_comparison([scheduled.study, pruned.study], Path("comparison"))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1180, "height": 900}, color_scheme="light")
            _take_study(page)
            _take_comparison(page)
            browser.close()


def _take_study(page: Page) -> None:
    page.goto(Path("report/report.html").absolute().as_uri())
    page.screenshot(path=_asset("top"))
    for name in ("curves", "importances", "slices"):
        section = page.locator(f"section#{name}")
        section.scroll_into_view_if_needed()  # a plot is drawn when it comes into view
        section.locator(".js-plotly-plot").first.wait_for()
        page.wait_for_timeout(500)
        section.screenshot(path=_asset(name))
    page.locator("#leaders button.trial").nth(1).click()
    page.locator("#trial .plot[data-drawn]").wait_for()
    page.wait_for_timeout(500)
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.screenshot(path=_asset("trial"))


def _take_comparison(page: Page) -> None:
    page.goto(Path("comparison/report.html").absolute().as_uri())
    page.locator("#progress .plot[data-drawn]").nth(1).wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=_asset("comparison"))


def _asset(name: str) -> Path:
    return CLONE / "docs" / "assets" / f"report-{name}.png"


if __name__ == "__main__":
    main()
