"""A dry run before a search: what a trial can train passes, and nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import IterableDataset

from lightsearch.preflight.configurations import two_configurations
from lightsearch.preflight.dry_run import DryRun
from tests.preflight.modules import InWorkers, Manual, Net, Points, samples, study, tried


class Scheduled(Net):
    """Its schedules divide by what a shortened fit would make 0."""

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        assert self.trainer.max_epochs is not None
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=total - total // 3)
        assert 1 / (self.trainer.max_epochs // 10)
        assert 1 / (int(self.trainer.num_training_batches) // 2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Plateau(Net):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


class Double(Net):
    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.double()


class DoublePoints(Points):
    def train_dataloader(self) -> Any:
        return self.loader(samples(torch.float64))

    val_dataloader = train_dataloader


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield from samples()


class Stream(Points):
    def train_dataloader(self) -> Any:
        return self.loader(Endless())

    val_dataloader = train_dataloader


class Watching(Net):
    """Logs to whatever logger there is, and has callbacks of its own."""

    def on_train_start(self) -> None:
        assert self.logger is not None
        self.logger.experiment.add_text("a", "b")

    def configure_callbacks(self) -> Any:
        return [ModelCheckpoint(monitor="val_loss"), EarlyStopping("val_loss", patience=100)]


@pytest.mark.parametrize(
    ("model", "data", "declared"),
    [
        (Net, Points, {}),
        (Manual, Points, {}),
        (Scheduled, Points, {}),
        (Plateau, Points, {"metric": "val_loss", "direction": "minimize"}),
        (Double, DoublePoints, {}),
        (Net, Stream, {}),
        (Watching, Points, {"logger": {"class_path": "pytorch_lightning.loggers.TensorBoardLogger"}}),
        (Net, Points, {"trainer": {"check_val_every_n_epoch": 2, "min_epochs": 3, "accumulate_grad_batches": 4}}),
        (Net, Points, {"trainer": {"val_check_interval": 3, "max_steps": 3, "limit_val_batches": 0.5}}),
        (Net, Points, {"trainer": {"num_sanity_val_steps": 2, "overfit_batches": 2, "profiler": "simple"}}),
        (Net, Points, {"trainer": {"max_epochs": 2, "check_val_every_n_epoch": 2, "max_steps": 12}}),
        (Net, InWorkers, {}),
    ],
)
def test_what_a_trial_trains_passes(
    model: type, data: type, declared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tried(model, data, **declared) == DryRun()
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_is_the_defaults_then_what_is_enqueued_then_the_lowest() -> None:
    space = {
        "model": {"width": {"int": [16, 32]}, "lr": {"float": [1e-3, 1e-1]}},
        "data": {"batch_size": {"choice": [4, 8]}},
    }
    first, _ = two_configurations(study(space=space, enqueue=[{"width": 20}]))
    assert first == {"width": 20, "lr": 1e-2, "batch_size": 4}
