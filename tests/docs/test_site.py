"""The documentation builds without a warning, and its made parts hold what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lightsearch
from lightsearch.cli import COMMANDS
from lightsearch.declare.study_file import StudyFile
from tests.conftest import ROOT, environment


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_references_are_complete(site: Path) -> None:
    keys = (site / "study-file" / "index.html").read_text()
    for name, field in StudyFile.model_fields.items():
        assert (f"<td><code>{field.alias or name}</code></td>" in keys) != bool(field.exclude)
    commands = (site / "commands" / "index.html").read_text()
    assert all(f'id="lightsearch-{name}"' in commands for name in COMMANDS)
    python = (site / "api" / "index.html").read_text()
    assert all(f'id="lightsearch.{name}"' in python for name in lightsearch.__all__)
    assert "load_best_model" in python


def test_a_page_fetches_nothing(site: Path) -> None:
    page = (site / "index.html").read_text()
    for attribute in ('src="http', '<link rel="stylesheet" href="http', "fonts.googleapis"):
        assert attribute not in page
