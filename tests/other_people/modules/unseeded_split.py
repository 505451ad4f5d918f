"""A split that nobody seeded, as most tutorials have it."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Unseeded(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
        full = TensorDataset(x, (x.sum(1) > 0).long(), torch.arange(400.0))
        self.train, self.val, self.test = random_split(full, [300, 50, 50])

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, 50)

    def test_dataloader(self):
        return DataLoader(self.test, 50)


class Logistic(pl.LightningModule):
    def __init__(self, lr: float = 0.1):
        super().__init__()
        self.save_hyperparameters()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x)

    def training_step(self, batch, batch_idx):
        x, y, row = batch
        self.log("train_row", row.mean(), on_step=False, on_epoch=True)
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y, row = batch
        self.log("val_row", row.mean())
        self.log("val_loss", F.cross_entropy(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y, row = batch
        self.log("test_row", row.mean())
        self.log("test_loss", F.cross_entropy(self(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
