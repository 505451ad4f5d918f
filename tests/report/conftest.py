"""A study to report, and a real browser to look at its page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.conftest import CHROMIUM


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    storage = f"sqlite:///{tmp_path}/studies.db"
    return optuna.create_study(study_name="digits", storage=storage, direction="maximize")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A function that opens a page of a width and a colour scheme, offline, and notes what it complains of."""
    sync = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync.sync_playwright() as playwright:
        opened = []

        def visit(place: Path | str, width: int, scheme: str) -> tuple[Any, list[str]]:
            address = place.as_uri() if isinstance(place, Path) else place
            profile = tmp_path / f"profile-{len(opened)}"
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=CHROMIUM, headless=True, args=arguments, color_scheme=scheme,
                viewport={"width": width, "height": 900},
            )  # fmt: skip
            opened.append(context)
            page, complaints = context.new_page(), []
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "request",
                lambda request: (
                    None
                    if request.url.startswith((address, "file:", "data:", "blob:"))
                    else complaints.append(request.url)
                ),
            )
            page.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
            page.goto(address, timeout=120_000)
            return page, complaints

        yield visit
        for context in opened:
            context.close()
        for profile in tmp_path.glob("profile-*"):
            shutil.rmtree(profile, ignore_errors=True)
