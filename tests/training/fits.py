"""Fits of a small classifier on the digits, and what tests read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from lightsearch import Classifier
from lightsearch.data import ImageData
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import Fit, fit
from lightsearch.training.plan import WithValidation


class Dropped(Classifier):
    """A classifier that needs random numbers in training."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.model.insert(4, torch.nn.Dropout(0.3))


class StopAfter(Callback):
    """Ends the process's fit in mid-epoch, as a signal does."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyError("stopped here")


def train(folder: Path, *callbacks: Any, model: LightningModule | None = None, **options: Any) -> tuple[Fit, EpochLog]:
    folder.mkdir(exist_ok=True)
    log = EpochLog(folder / "epochs.csv")
    data = options.pop("data", None) or ImageData("digits", batch_size=128, val_size=0.2)
    keywords = {"max_epochs": 4, "accelerator": "cpu", **options.pop("keywords", {})}
    fitted = fit(
        Components(model or Dropped(**data.model_arguments, hidden_size=16), data, 7, keywords),
        WithValidation(**{"metric": "val_acc", "mode": "max", **options}),
        folder=folder,
        log=log,
        callbacks=callbacks,
    )
    return fitted, log


def curve(log: EpochLog) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in log.history]


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def model(seed: int) -> LightningModule:
    torch.manual_seed(seed)
    return Dropped(in_features=64, num_classes=10, hidden_size=16)
