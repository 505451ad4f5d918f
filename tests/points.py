"""A data module and modules as users write them, small enough to train in a test."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 3


class Points(LightningDataModule):
    """Points in the plane, of three classes. The validation samples are the test samples too."""

    classes = CLASSES

    def __init__(self, n: int = 120, batch_size: int = 20) -> None:
        super().__init__()
        self.n = n
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(2 * self.n) % CLASSES
        points = torch.tensor([[0.0, 2.0], [2.0, 0.0], [-2.0, -2.0]])[labels]
        points = points + torch.randn(points.shape, generator=generator)
        self.train = TensorDataset(points[: self.n], labels[: self.n])
        self.val = TensorDataset(points[self.n :], labels[self.n :])

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val, 50)

    def test_dataloader(self) -> Any:
        return DataLoader(self.val, 50)


class Double(Points):
    """In float64."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        for side in (self.train, self.val):
            side.tensors = (side.tensors[0].double(), side.tensors[1])


class Untested(Points):
    """Without test samples."""

    test_dataloader = LightningDataModule.test_dataloader


class Net(LightningModule):
    """Saves no hyperparameters."""

    def __init__(self, activation: str = "zero", width: int = 4, lr: float = 0.05) -> None:
        super().__init__()
        self.activation = activation
        self.lr = lr
        self.first = nn.Linear(2, width)
        self.last = nn.Linear(width, CLASSES)

    def forward(self, points: Tensor) -> Tensor:
        hidden = self.first(points)
        hidden = {"zero": hidden * 0, "relu": F.relu(hidden), "tanh": torch.tanh(hidden)}[self.activation]
        return self.last(hidden)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("val_acc", self.accuracy(batch))

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("test_acc", self.accuracy(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)

    def accuracy(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return (self(batch[0]).argmax(dim=1) == batch[1]).float().mean()
