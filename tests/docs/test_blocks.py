"""Every code block of the README and of the documentation works, in a folder that is not the clone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import NOT_RUN, blocks, run

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LONG = [
    ROOT / "docs" / name
    for name in ("living-studies.md", "schedulers.md", "from-python.md", "machines.md", "tutorial.md")
]
LANGUAGES = {"python", "toml", "console", "bash", "text", "yaml"}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page in LONG else []) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTSEARCH_STORAGE", raising=False)
    for block in blocks(page):
        try:
            run(block, tmp_path)
        except Exception as error:
            error.add_note(f"{page.relative_to(ROOT)}, line {block.line}")
            raise


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_block_has_a_language_and_says_why_it_does_not_run(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"line {block.line}: {block.language!r}"
        assert block.runs or len(block.title) > len(NOT_RUN), f"line {block.line}"
