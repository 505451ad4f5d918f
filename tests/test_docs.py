"""The documents name files that exist."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.docs.blocks import blocks


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_documents_name_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.]+/)*[\w]+\.py|(?:[\w]+/)+)`", text))
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    assert named | links
    here = [ROOT, ROOT / "src" / "lightsearch", (ROOT / name).parent]
    user = {"studies/", *(block.title for block in blocks(ROOT / name))}
    missing = {one for one in (named | links) - user if not any((folder / one).exists() for folder in here)}
    assert not missing


def test_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [path.name for path in (ROOT / "src" / "lightsearch").iterdir() if (path / "__init__.py").exists()]
    assert [room for room in rooms if f"{room}/" not in text and f" {room} " not in text] == []
