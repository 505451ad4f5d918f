"""The metric of a study in a dry run: a name that no validation logs is one line that says what to write."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from lightsearch.preflight.dry_run import DryRun
from tests.preflight.modules import Net, Points, refused, tried


class InTraining(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        self.log("acc", 0.5)
        return super().training_step(batch)

    def on_train_epoch_end(self) -> None:
        self.log("epoch_acc", 0.5)


class Both(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        self.log("val_acc", 0.5, on_epoch=True)
        return super().training_step(batch)


class Forked(Net):
    def validation_step(self, batch: list[Tensor]) -> Any:
        super().validation_step(batch)
        self.log("val_f1", 0.5, on_step=True, on_epoch=True)
        self.log("val_step", 0.5, on_step=True, on_epoch=False)


class TwoLoaders(Points):
    def val_dataloader(self) -> Any:
        return [super().val_dataloader(), super().val_dataloader()]


class TwoLoaded(Net):
    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> Any:
        super().validation_step(batch)


KNOWN = "validation logs val_acc, val_loss"
ONLY = f"is logged in training only ({{}}), and a search compares trials by a validation; {KNOWN}"
TWICE = "is logged in training as well (training_step), which takes its place at the end of an epoch"


@pytest.mark.parametrize(
    ("model", "metric", "hint"),
    [
        (Net, "val_accuracy", f'is not logged in validation; did you mean "val_acc"? ({KNOWN})'),
        (Net, "f1", f"is not logged; {KNOWN}"),
        (Net, "train_acc", ONLY.format("training_step")),
        (InTraining, "acc", ONLY.format("training_step")),
        (InTraining, "epoch_acc", ONLY.format("on_train_epoch_end")),
        (Both, "val_acc", f"{TWICE}; give one of them another name"),
        (
            Net,
            "val_acc_epoch",
            'a name that Lightning adds beside it only where it is logged with on_step=True; write "val_acc"',
        ),
        (Forked, "val_f1_step", 'a name that Lightning adds for each step; write "val_f1"'),
        (Forked, "val_step", "is logged in validation for each step alone; log it with on_epoch=True"),
    ],
)
def test_a_metric_that_no_validation_logs(model: type, metric: str, hint: str) -> None:
    assert refused(model, metric=metric) == f"metric = {metric!r}: {hint}"


def test_names_that_lightning_makes() -> None:
    assert tried(Forked, metric="val_f1_epoch") == DryRun()
    hint = 'is logged for each of several validation loaders; name one of them: "val_acc/dataloader_idx_0"'
    assert refused(TwoLoaded, TwoLoaders) == f"metric = 'val_acc': {hint}"
    assert tried(TwoLoaded, TwoLoaders, metric="val_acc/dataloader_idx_1") == DryRun()


def test_each_of_several_objectives() -> None:
    found = tried(metric=["val_acc", "parameters", "f1", "train_acc"], direction=["maximize", *["minimize"] * 3])
    assert [line.partition(": ")[0] for line in found.mistakes] == ["metric = 'f1'", "metric = 'train_acc'"]
