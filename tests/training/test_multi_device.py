"""Trials on two devices: two real processes each, on the CPU."""

from __future__ import annotations

import csv
import itertools
import json
import os
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
import torch

from lightsearch import Classifier
from lightsearch.data import ImageData
from lightsearch.declare.reading import read_declaration
from lightsearch.launchers import Job
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.paths import study_folder
from lightsearch.preflight.checks import preflight
from tests.conftest import ROOT, command
from tests.faults.helpers import load

TWO = ("--set", "trainer.devices=2", "--set", "trainer.accelerator=cpu")

LINE = """\
import json, pathlib
import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch.utils.data import DataLoader, TensorDataset

def points(n):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(n))
    return TensorDataset(x, x.sum(1, keepdim=True).sin(), torch.arange(n))

class Points(LightningDataModule):
    def train_dataloader(self):
        return DataLoader(points(48), batch_size=6, shuffle=True, num_workers=1)
    def val_dataloader(self):
        return DataLoader(points(20), batch_size=7)

class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
        self.seen = []
    def write(self, when):
        file = pathlib.Path(self.trainer.default_root_dir) / f'{when}-{self.global_rank}.json'
        weights = [self.line.weight.tolist(), self.line.bias.tolist()]
        file.write_text(json.dumps({'seen': self.seen, 'weights': weights}))
        self.seen = []
    def on_train_start(self):
        self.write('start')
    def training_step(self, batch):
        x, y, number = batch
        self.seen.append(number.tolist())
        return torch.nn.functional.mse_loss(self.line(x), y)
    def on_train_epoch_end(self):
        self.write(self.current_epoch)
    def validation_step(self, batch):
        self.log('val_mse', torch.nn.functional.mse_loss(self.line(batch[0]), batch[1]))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
"""

STUDY = """\
name = "line"
metric = "val_mse"
direction = "minimize"
[data]
class_path = "line.Points"
[model]
class_path = "line.Line"
[trainer]
max_epochs = 2
devices = 2
accelerator = "cpu"
strategy = "ddp_find_unused_parameters_false"
gradient_clip_val = 0.7
"""


def results(place: Path) -> list[dict[str, Any]]:
    return [trial.user_attrs["result"] | {"kind": trial.user_attrs["kind"]} for trial in load(place).trials]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "epochs.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_trials_complete_are_pruned_and_stop_early(place: Path) -> None:
    (place / "plain.py").write_text(
        "from lightsearch import Classifier\n\n"
        "class Plain(Classifier):\n"
        "    def validation_step(self, batch):\n"
        "        super().validation_step(batch)\n"
        "        images, labels = batch\n"
        "        self.log('plain_acc', (self(images).argmax(1) == labels).float().mean())\n"
    )
    options = (
        *("--set", "model.class_path=plain.Plain", "--set", "data.init_args={val_size=287}"),  # an odd number
        *("--set", "trainer.max_epochs=6", "--set", "trainer.patience=1", "--set", "trainer.min_delta=0.1"),
        *("--set", "space.data={}"),
        *("--set", "pruner={name='MedianPruner', init_args={n_startup_trials=2, n_warmup_steps=0}}"),
        *("--set", "trainer.strategy=ddp_spawn"),
        *("--set", "enqueue=[{learning_rate=0.001}, {learning_rate=0.1}, {learning_rate=0.0001}]"),
    )
    done = command("run", "--n-trials", 3, *TWO, *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(place)
    assert [one["kind"] for one in found] == ["complete", "complete", "pruned"]
    assert {"early_stopping", "pruned"} <= {one["stop_reason"] for one in found}
    val = ImageData("digits", val_size=287, split_seed=42).val_dataloader()
    for number, one in enumerate(found):
        folder = place / "studies" / "digits" / f"trial-{number:04d}"
        assert one["device"] == "2 x cpu"
        epochs = rows(folder)
        assert len(epochs) == one["epochs"]
        assert one["value"] == max(float(row["val_acc"]) for row in epochs)
        for row in epochs:  # of all images, each once, although the module does not ask for it
            assert float(row["plain_acc"]) == pytest.approx(float(row["val_acc"]), abs=1e-6)
        reported = load(place).trials[number].intermediate_values
        assert list(reported.values()) == [float(row["val_acc"]) for row in epochs]
        if one["kind"] == "complete":
            model = Classifier.load_from_checkpoint(folder / "best.ckpt", weights_only=True).eval()
            with torch.no_grad():
                right = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in val)
            assert one["value"] == pytest.approx(right / 287, abs=1e-6)
    tested = command("evaluate", "--study", "digits", cwd=place)
    assert tested.returncode == 0, tested.stderr
    assert json.loads((place / "studies/digits/test_evaluations.json").read_text())[0]["n_test"] == 359
    retrained = command("retrain", "--study", "digits", "--top", 1, "--seeds", 1, cwd=place)
    assert retrained.returncode == 0, retrained.stdout + retrained.stderr
    runs = [json.loads(file.read_text()) for file in (place / "studies/digits/retrain").glob("*/result.json")]
    assert [run["device"] for run in runs] == ["2 x cpu"] * 3
    other = command("run", "--n-trials", 4, *options, cwd=place)
    assert other.returncode == 2
    assert "trainer.devices: 2 in the study" in other.stderr


def test_both_devices_do_what_one_does_with_twice_the_batch(place: Path) -> None:
    (place / "line.py").write_text(LINE)
    (place / "studies" / "line.toml").write_text(STUDY)
    done = command("run", "--study", "studies/line.toml", "--n-trials", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = place / "studies" / "line" / "trial-0000"

    def written(when: object, rank: int) -> Any:
        return json.loads((folder / f"{when}-{rank}.json").read_text())

    line = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(line.parameters(), lr=0.1, momentum=0.9)
    (x, y), (val_x, val_y) = points(48), points(20)
    for parameter, value in zip(line.parameters(), written("start", 0)["weights"], strict=True):
        parameter.data = torch.tensor(value)
    orders = []
    for epoch, row in enumerate(rows(folder)):
        ours, theirs = written(epoch, 0), written(epoch, 1)
        assert ours["weights"] == theirs["weights"]
        orders.append([*itertools.chain(*ours["seen"], *theirs["seen"])])
        assert sorted(orders[-1]) == list(range(48))
        for batches in zip(ours["seen"], theirs["seen"], strict=True):
            both = [number for batch in batches for number in batch]
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(line(x[both]), y[both]).backward()
            torch.nn.utils.clip_grad_norm_(line.parameters(), 0.7)
            optimizer.step()
        for parameter, value in zip(line.parameters(), ours["weights"], strict=True):
            torch.testing.assert_close(parameter.data, torch.tensor(value))
        expected = torch.nn.functional.mse_loss(line(val_x), val_y).item()
        assert float(row["val_mse"]) == pytest.approx(expected, rel=1e-5)
    assert orders[0] != orders[1]


def points(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(n))
    return x, x.sum(1, keepdim=True).sin()


def test_what_cannot_be_is_said_before_a_trial(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistakes(*overrides: str) -> list[str]:
        return preflight(read_declaration(ROOT / "studies" / "digits.toml", list(overrides)), None).mistakes

    assert mistakes("trainer.num_nodes=2", "trainer.strategy=ddp", "space.trainer={devices={float=[1.0, 2.0]}}") == [
        "space.trainer.devices = {'float': [1.0, 2.0]}: sample whole numbers from 1",
        "trainer.num_nodes = 2: a trial has one machine; leave it out, and start the same search on each machine, on "
        "one PostgreSQL",
    ]
    with monkeypatch.context() as machine:
        machine.setattr(torch.cuda, "is_available", lambda: True)
        machine.setattr(torch.cuda, "device_count", lambda: 2)
        machine.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
        assert mistakes("trainer.devices=4") == [
            "trainer.devices = 4: there are 2 GPUs here; write 2 at most, or hide them (CUDA_VISIBLE_DEVICES=) to use "
            "the CPU"
        ]
    assert mistakes("trainer.devices=4", "trainer.accelerator=cpu", "trainer.strategy=ddp") == []
    refused = command("run", "--set", "trainer.devices=2", "--workers", 0, cwd=place)
    assert refused.returncode == 2
    assert "--workers = 0: a trial on 2 devices is as many processes" in refused.stderr
    assert not study_folder("digits").exists()


def test_gpus_are_dealt_out_in_groups(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,5,3,2,1")
    forkserver._forkserver._stop()  # one of another test has the environment of its time
    launcher = ProcessLauncher(ForkServer(), workers=3, threads=1, accelerators=5, devices=2)
    try:
        for number in range(3):
            folder = place / str(number)
            folder.mkdir()
            launcher.launch(Job(number, folder, print_gpus, {}))
        ended: list[int] = []
        deadline = time.monotonic() + 60
        while len(ended) < 3 and time.monotonic() < deadline:
            ended += [one.number for one in launcher.wait(1.0)]
    finally:
        launcher.close()
        forkserver._forkserver._stop()
    printed = [(place / str(number) / "log.txt").read_text().strip() for number in range(3)]
    assert printed == ["7,5", "3,2", "7,5"]


def print_gpus() -> None:
    print(os.environ["CUDA_VISIBLE_DEVICES"])
