"""Regression on a table, the diabetes data of scikit-learn. The mean squared error is minimised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, LightningModule
from sklearn.datasets import load_diabetes
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Table(LightningDataModule):
    """442 patients with ten measurements each; plain DataLoaders."""

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        inputs, targets = load_diabetes(return_X_y=True)
        scaled = torch.tensor((targets - targets.mean()) / targets.std(), dtype=torch.float32)
        whole = TensorDataset(torch.tensor(inputs, dtype=torch.float32), scaled)
        parts = random_split(whole, [282, 80, 80], torch.Generator().manual_seed(0))
        self.train, self.val, self.test = parts

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.val, 80)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.test, 80)


class Regressor(LightningModule):
    """A perceptron with one hidden layer per width."""

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (32,),
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        layers: list[nn.Module] = []
        width = 10
        for size in hidden_sizes:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.net = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.net(inputs).squeeze(-1)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.mse_loss(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("val_mse", F.mse_loss(self(batch[0]), batch[1]))

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("test_mse", F.mse_loss(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> dict[str, object]:
        rate = self.hparams["learning_rate"]
        if self.hparams["optimizer"] == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(self.parameters(), rate, self.hparams["momentum"])
        else:
            optimizer = torch.optim.Adam(self.parameters(), rate)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_mse"}}
