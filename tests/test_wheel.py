"""The wheel, installed without the source: what a user has after ``pip install lightsearch``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import tomllib
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULE = """
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Points(LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(256, 2, generator=generator)
        self.points = TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long())

    def train_dataloader(self):
        return DataLoader(self.points, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.points, 256)

    test_dataloader = val_dataloader


class Net(LightningModule):
    def __init__(self, width: int = 8, lr: float = 1e-2):
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_acc", (self.layers(batch[0]).argmax(1) == batch[1]).float().mean())

    def test_step(self, batch, batch_idx):
        self.log("test_acc", (self.layers(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment that has the wheel and, from this one, its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, _sources(folder)], check=True)
    environment = folder / "environment"
    venv.create(environment)
    # The dependencies are this environment's. A .pth file is not read recursively: the editable source stays out.
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "--python", environment / "bin/python", "install", "--no-deps", "--ignore-installed", wheel], check=True
    )
    return environment / "bin"


def _sources(folder: Path) -> Path:
    """A copy of what the wheel is built of: building writes next to the sources."""
    sources = folder / "sources"
    shutil.copytree(ROOT / "src", sources / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    return sources


def lightsearch(installed: Path, folder: Path, *words: str) -> str:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LIGHTSEARCH"))}
    ran = subprocess.run(
        [installed / "lightsearch", *words], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_a_module_in_another_folder_is_searched_tested_and_retrained(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(textwrap.dedent(MODULE), encoding="utf-8")
    lightsearch(installed, tmp_path, "new", "--model", "mynet.Net", "--data", "mynet.Points")
    searched = lightsearch(installed, tmp_path, "run", "--study", "studies/net.toml", "--n-trials", "2")
    assert (
        "2 complete" in searched or "1 complete, 1 not resumed" in searched or "1 not resumed, 1 complete" in searched
    )
    assert "test_acc" in lightsearch(installed, tmp_path, "evaluate", "--study", "net")
    lightsearch(installed, tmp_path, "report", "--study", "net")
    assert "<html" in (tmp_path / "reports" / "net" / "report.html").read_text(encoding="utf-8")
    lightsearch(installed, tmp_path, "retrain", "--study", "net", "--top", "1", "--seeds", "2")
    assert (tmp_path / "reports" / "net" / "final").is_dir()


@pytest.mark.slow
def test_without_a_study_file_the_digits_example_is_searched(installed: Path, tmp_path: Path) -> None:
    searched = lightsearch(
        installed, tmp_path, "run", "--n-trials", "1", "--workers", "0", "--set", "trainer.max_epochs=1"
    )
    assert "this is the digits example" in searched
    assert "digits: done. 1 complete" in searched
    assert sorted(path.name for path in tmp_path.iterdir()) == ["studies"]


@pytest.mark.slow
def test_the_wheel_has_a_licence_and_its_types(installed: Path) -> None:
    (package,) = installed.parent.glob("lib/python*/site-packages/lightsearch")
    (metadata,) = package.parent.glob("lightsearch-*.dist-info")
    assert (package / "py.typed").exists()
    assert (metadata / "licenses" / "LICENSE").exists()
    assert "License-Expression: Apache-2.0" in (metadata / "METADATA").read_text(encoding="utf-8")


def test_the_example_of_the_package_is_the_one_of_the_clone() -> None:
    packaged = ROOT / "src" / "lightsearch" / "declare" / "digits.toml"
    declared = [tomllib.loads(file.read_text("utf-8")) for file in (packaged, ROOT / "studies" / "digits.toml")]
    assert declared[0] == declared[1]
