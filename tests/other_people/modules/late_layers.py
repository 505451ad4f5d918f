"""Layers that are built late: in configure_model, or in setup from what the data module has found."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class GaussianBlobs(pl.LightningDataModule):
    def __init__(self, n_classes: int = 4, batch_size: int = 32):
        super().__init__()
        self.n_classes = n_classes
        self.batch_size = batch_size

    def setup(self, stage):
        g = torch.Generator().manual_seed(0)
        centres = 1.5 * torch.randn(self.n_classes, 5, generator=g)
        y = torch.randint(self.n_classes, (600,), generator=g)
        x = centres[y] + torch.randn(600, 5, generator=g)
        self.parts = [TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 400), (400, 500), (500, 600))]
        self.input_dim = x.shape[1]

    def train_dataloader(self):
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 100)

    def test_dataloader(self):
        return DataLoader(self.parts[2], 100)


class _Base(pl.LightningModule):
    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self(x).argmax(1) == y).float().mean())

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_acc", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class ShardableModel(_Base):
    def __init__(self, hidden: int = 16, lr: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.model = None

    def configure_model(self):
        if self.model is not None:
            return
        hidden = self.hparams.hidden
        self.model = nn.Sequential(nn.Linear(5, hidden), nn.ReLU(), nn.Linear(hidden, 4))


class ModelFromData(_Base):
    def __init__(self, hidden: int = 16, lr: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str):
        if hasattr(self, "model"):
            return
        data, hidden = self.trainer.datamodule, self.hparams.hidden
        self.model = nn.Sequential(nn.Linear(data.input_dim, hidden), nn.ReLU(), nn.Linear(hidden, data.n_classes))
