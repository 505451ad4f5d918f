"""A folder with the modules of the table, as a user has them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lightsearch.launchers.fork_server import ForkServer

MODULES = Path(__file__).parent / "modules"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the modules. One fork server imports them all, so that no trial has to."""
    folder = tmp_path_factory.mktemp("home")
    for file in MODULES.glob("*.py"):
        shutil.copy(file, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        ForkServer(sorted(file.stem for file in MODULES.glob("*.py")))
    return folder


@pytest.fixture
def project(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to search in, with the modules on the path."""
    monkeypatch.syspath_prepend(home)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIGHTSEARCH_STORAGE", raising=False)
    monkeypatch.delenv("LIGHTSEARCH_DATA", raising=False)
    return tmp_path
