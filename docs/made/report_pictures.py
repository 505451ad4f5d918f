"""Pictures of a real study's report, taken with Chromium.

    python docs/made/report_pictures.py

searches the digits in a temporary folder, writes the report, and takes docs/assets/report-*.png.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import lightsearch
from lightsearch.report import write_report

CLONE = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
N_TRIALS = 50


def main() -> None:
    """Searches, and takes the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        result = lightsearch.search(CLONE / "studies" / "digits.toml", n_trials=N_TRIALS)
        write_report(result.study, Path("report"))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1180, "height": 900}, color_scheme="light")
            page.goto(Path("report/report.html").absolute().as_uri())
            page.screenshot(path=_asset("top"))
            for name in ("curves", "importances", "slices"):
                section = page.locator(f"section#{name}")
                section.scroll_into_view_if_needed()  # a plot is drawn when it comes into view
                section.locator(".js-plotly-plot").first.wait_for()
                page.wait_for_timeout(500)
                section.screenshot(path=_asset(name))
            browser.close()


def _asset(name: str) -> Path:
    return CLONE / "docs" / "assets" / f"report-{name}.png"


if __name__ == "__main__":
    main()
