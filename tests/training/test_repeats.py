"""Several runs of a configuration by the real command: seeds with the Classifier, folds with a stranger's classes."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.conftest import command

FOLDED = """
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset, Subset


class Points(pl.LightningDataModule):
    def __init__(self, fold: int, folds: int, batch_size: int = 16) -> None:
        super().__init__()
        self.fold, self.folds, self.batch_size = fold, folds, batch_size

    def setup(self, stage: str) -> None:
        order = torch.randperm(120).tolist()  # drawn from the study's seed: the same in each fold
        self.val_part = order[self.fold :: self.folds]
        self.train_part = [index for index in order if index not in self.val_part]
        points = torch.linspace(-1, 1, 120).unsqueeze(1)
        self.points = TensorDataset(points, 3 * points + 1)

    def train_dataloader(self):
        return DataLoader(Subset(self.points, self.train_part), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(Subset(self.points, self.val_part), 120)


class Line(pl.LightningModule):
    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.layer, self.lr = torch.nn.Linear(1, 1), lr

    def loss(self, batch):
        return torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])

    def training_step(self, batch, _):
        return self.loss(batch)

    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(batch))
        self.log("val_sum", batch[0].sum())  # tells the folds apart

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)


class WithoutFolds(Points):
    def __init__(self, batch_size: int = 16) -> None:
        super().__init__(0, 3, batch_size)
"""
STUDY = """
name = "folded"
metric = "val_loss"
direction = "minimize"
data.class_path = "folded.Points"
model.class_path = "folded.Line"
space.model.lr = { float = [1e-3, 0.3], log = true }
trainer = { max_epochs = 4, accelerator = "cpu" }
validation.folds = 3
sampler = "RandomSampler"
"""


def run(place: Path, *options: object) -> str:
    done = command("run", *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def trials_of(place: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name=name).trials


def rows_of(folder: Path) -> list[dict[str, Any]]:
    with (folder / "epochs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def configuration(hidden_size: int, learning_rate: float) -> str:
    return f"{{hidden_size={hidden_size}, learning_rate={learning_rate}, batch_size=64}}"


@pytest.fixture
def folded(place: Path) -> Path:
    (place / "studies" / "folded.py").write_text(FOLDED)
    (place / "studies" / "folded.toml").write_text(STUDY)
    return place


def test_seeds_are_spent_on_configurations_that_are_worth_them(place: Path) -> None:
    first = ", ".join([configuration(64, 1e-2), configuration(48, 1e-2), configuration(32, 1e-2)])
    first += f", {configuration(16, 1e-4)}, {configuration(128, 1e-2)}"
    options = ("--set", "validation={seeds=3}", "--set", "trainer={max_epochs=3, patience=0}", "--workers", 1)
    options += ("--set", "scheduler={name='none'}", "--set", f"enqueue=[{first}]")
    said = run(place, "--n-trials", 5, *options)
    trials = trials_of(place, "digits")
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    for trial in trials:
        result, folder = trial.user_attrs["result"], place / "studies" / "digits" / f"trial-{trial.number:04d}"
        runs = [folder, *sorted(folder.glob("seed-*"))]
        best = [max(float(row["val_acc"]) for row in rows_of(run)) for run in runs]
        assert result["run_values"] == best
        assert result["value"] == pytest.approx(statistics.fmean(best))
        assert result["epochs"] == 3 * len(runs)
        assert len(set(best)) > 1 or len(runs) == 1
        if trial.state.name == "COMPLETE":
            assert len(runs) == 3
            assert trial.value == result["value"]
            assert trial.user_attrs["validation"]["std"] == result["std"] == pytest.approx(statistics.stdev(best))
    lost = trials[3].user_attrs["result"]
    assert (lost["stop_reason"], lost["std"], lost["epochs"]) == ("not worth another seed", None, 3)
    assert "in 1 run, not worth another seed" in said
    assert "39 epochs trained" in said  # 4 x 3 x 3 + 3
    assert " std " in said
    again = run(place, "--n-trials", 50, "--epochs", 39, *options)  # the budget has all of them in it
    assert "39 epochs trained" in again

    best_trial = max((trial for trial in trials if trial.value), key=lambda trial: trial.value or 0)
    tested = command("evaluate", "--study", "digits", cwd=place)
    assert f"trial {best_trial.number}" in tested.stdout + tested.stderr
    refused = command("run", "--n-trials", 6, *options[2:], cwd=place)
    assert refused.returncode == 2
    assert "validation" in refused.stderr


def test_folds_of_other_peoples_data(folded: Path) -> None:
    run(folded, "--study", "studies/folded.toml", "--n-trials", 2, "--workers", 1)
    for trial in trials_of(folded, "folded"):
        folder = folded / "studies" / "folded" / f"trial-{trial.number:04d}"
        runs = [rows_of(one) for one in (folder, folder / "fold-1", folder / "fold-2")]
        sums = [{float(row["val_sum"]) for row in rows} for rows in runs]
        assert [len(one) for one in sums] == [1, 1, 1]  # one split for all epochs of a fold
        assert len(set.union(*sums)) == 3
        assert sum(set.union(*sums)) == pytest.approx(0, abs=1e-4)  # together they are all points
        assert trial.value == pytest.approx(
            statistics.fmean(min(float(row["val_loss"]) for row in rows) for rows in runs)
        )


def test_data_that_cannot_make_folds_is_refused(folded: Path) -> None:
    refused = command(
        "run", "--study", "studies/folded.toml", "--set", "data.class_path='folded.WithoutFolds'", cwd=folded
    )
    assert refused.returncode == 2
    assert "validation.folds = 3" in refused.stderr
    assert "WithoutFolds takes no fold and no folds" in refused.stderr
    assert not (folded / "studies" / "studies.db").exists()


def test_further_runs_are_members_of_packs(place: Path) -> None:
    said = run(
        *(place, "--n-trials", 2, "--pack", 2, "--workers", 1, "--set", "validation={seeds=2}"),
        *("--set", "trainer={max_epochs=2, patience=0}", "--set", "space.data={batch_size={choice=[64]}}"),
    )
    assert "trials train in packs of 2" in said
    results = [
        json.loads((place / "studies" / "digits" / f"trial-000{number}" / "seed-1" / "result.json").read_text())
        for number in (0, 1)
    ]
    assert results[0]["seed"] != results[1]["seed"]
    # The order of their batches is that of the leader, epoch by epoch.
    assert results[0]["epoch_seeds"] == results[1]["epoch_seeds"] == [results[0]["seed"] * 2**16 + n for n in (0, 1)]
