"""A worker is killed: its loaders' processes and its own children end, and its temporary files are removed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import start
from tests.faults.helpers import wait_for

MODULES = """
import subprocess, sys, time, torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch.utils.data import DataLoader, TensorDataset


class Data(LightningDataModule):
    def train_dataloader(self):
        x = torch.randn(256, 8)
        return DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), 32, num_workers=1, persistent_workers=True)

    val_dataloader = train_dataloader


class Net(LightningModule):
    def __init__(self, lr: float = 0.01):
        super().__init__()
        self.lr, self.layer = lr, torch.nn.Linear(8, 2)

    def on_fit_start(self):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "the-trials-own"])

    def on_fit_end(self):
        subprocess.run(["pkill", "-P", str(__import__("os").getpid()), "-f", "the-trials-own"])

    def training_step(self, batch):
        time.sleep(0.05)
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def validation_step(self, batch):
        self.log("val_acc", (self.layer(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)
"""
STUDY = """
name = "loading"
metric = "val_acc"
data = { class_path = "loading.Data" }
model = { class_path = "loading.Net" }
space = { model = { lr = { float = [1e-3, 1e-1], log = true } } }
trainer = { max_epochs = 4, patience = 0 }
"""


@pytest.mark.slow
def test_a_killed_workers_processes_and_files_are_gone(place: Path) -> None:
    (place / "studies" / "loading.py").write_text(MODULES)
    (place / "studies" / "loading.toml").write_text(STUDY)
    folder = place / "studies" / "loading" / "trial-0000"
    options = ("--study", "loading", "--n-trials", 1, "--workers", 1, "--pack", "off", "--set", "pruner.name=NopPruner")
    search = start("run", *options, cwd=place)
    wait_for((folder / "epochs.csv").exists)
    worker = psutil.Process(json.loads((folder / ".worker.json").read_text())["pid"])
    own = worker.children(recursive=True)
    assert any("the-trials-own" in process.cmdline() for process in own)
    os.kill(worker.pid, signal.SIGKILL)
    said, _ = search.communicate(timeout=300)
    assert search.returncode == 0, said
    _, alive = psutil.wait_procs(own, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not [file.name for file in folder.iterdir() if file.name.startswith(".")]
    assert not list(Path("/dev/shm").glob(f"*{worker.pid}[-_]*"))
