"""A module and its data for dry runs, as somebody else would write them, and dry runs of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.preflight.dry_run import DryRun, dry_run

N, CLASSES = 96, 3


def samples(dtype: torch.dtype = torch.float32) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(N, 4, generator=generator, dtype=dtype)
    return TensorDataset(inputs, inputs[:, :CLASSES].argmax(dim=1))


class Points(LightningDataModule):
    """Six batches to train on, three to validate on."""

    def __init__(self, batch_size: int = 16, num_workers: int = 0) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers

    def loader(self, part: Dataset[Any], **options: Any) -> DataLoader[Any]:
        return DataLoader(part, self.batch_size, num_workers=self.num_workers, **options)

    def train_dataloader(self) -> Any:
        return self.loader(samples(), shuffle=True)

    def val_dataloader(self) -> Any:
        return self.loader(torch.utils.data.Subset(samples(), range(N // 2)))


class InWorkers(Points):
    """Its batches come from a process of its own."""

    def __init__(self) -> None:
        super().__init__(num_workers=1)


class Net(LightningModule):
    """As somebody else would write it: no saved hyperparameters."""

    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, CLASSES))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layers(inputs)
        return logits

    def training_step(self, batch: list[Tensor]) -> Any:
        logits = self(batch[0])
        self.log("train_acc", (logits.argmax(dim=1) == batch[1]).float().mean(), on_step=False, on_epoch=True)
        return F.cross_entropy(logits, batch[1])

    def validation_step(self, batch: list[Tensor]) -> Any:
        logits = self(batch[0])
        self.log("val_loss", F.cross_entropy(logits, batch[1]))
        self.log("val_acc", (logits.argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), self.lr)


class Manual(Net):
    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor]) -> None:
        loss = super().training_step(batch)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(layer.parameters(), self.lr) for layer in (self.layers[0], self.layers[3])]


class Broken(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        return self(batch[0].flatten())


def study(model: type = Net, data: type = Points, **declared: Any) -> StudyFile:
    study_file, mistakes = validate(
        {
            "name": "dry",
            "data": {"class_path": f"{data.__module__}.{data.__name__}"},
            "model": {"class_path": f"{model.__module__}.{model.__name__}"},
            "space": {"model": {"lr": {"float": [1e-3, 1e-1], "log": True}}},
            **declared,
            "trainer": {"accelerator": "cpu", **declared.get("trainer", {})},
        }
    )
    assert study_file is not None, mistakes
    return study_file


def tried(model: type = Net, data: type = Points, **declared: Any) -> DryRun:
    return dry_run(None, study(model, data, **declared), None, None)


def refused(model: type = Net, data: type = Points, **declared: Any) -> str:
    """The only line of a refusal."""
    found = tried(model, data, **declared)
    assert not found.notes
    (line,) = found.mistakes
    assert "\n" not in line
    return line
