"""Hooks and batches that a search needs, missing in a dry run."""

from __future__ import annotations

from typing import Any

import pytest
from pytorch_lightning import LightningDataModule, LightningModule
from torch.utils.data import DataLoader

from tests.preflight.modules import Net, Points, samples, tried


class NoValidation(Net):
    validation_step = LightningModule.validation_step


class NoTraining(Net):
    training_step = LightningModule.training_step
    configure_optimizers = LightningModule.configure_optimizers


class NoValidationData(LightningDataModule):
    train_dataloader = Points.train_dataloader
    batch_size, num_workers = 16, 0
    loader = Points.loader


class EmptyValidation(Points):
    def val_dataloader(self) -> Any:
        return []


class DropsAll(Points):
    def train_dataloader(self) -> Any:
        return DataLoader(samples(), 1000, drop_last=True)


@pytest.mark.parametrize(
    ("model", "data", "lines"),
    [
        (
            NoValidation,
            Points,
            ["model.class_path = 'tests.preflight.test_missing_hooks.NoValidation': has no validation_step; add"],
        ),
        (NoTraining, Points, [f"has no {hook}; add it" for hook in ("training_step", "configure_optimizers")]),
        (
            Net,
            NoValidationData,
            ["data.class_path = 'tests.preflight.test_missing_hooks.NoValidationData': has no val_dataloader"],
        ),
        (Net, EmptyValidation, ["its val_dataloader yields no batch"]),
        (Net, DropsAll, ["its train_dataloader yields no batch"]),
    ],
)
def test_hooks_and_batches_that_are_not_there(model: type, data: type, lines: list[str]) -> None:
    found = tried(model, data).mistakes
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert expected in line
