"""A module of lightning.pytorch with a data module of pytorch_lightning, which normalises after the transfer."""

import lightning.pytorch as L
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class DiabetesData(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def prepare_data(self):
        load_diabetes()

    def setup(self, stage=None):
        x, y = load_diabetes(return_X_y=True)
        x, y = 1000 * torch.tensor(x).float() + 20, torch.tensor(y).float()
        self.parts = [TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 300), (300, 370), (370, 442))]
        self.center, self.scale = x[:300].mean(0), x[:300].std(0)
        self.target_center, self.target_scale = y[:300].mean(), y[:300].std()

    def on_after_batch_transfer(self, batch, dataloader_idx):
        x, y = batch
        return (x - self.center) / self.scale, (y - self.target_center) / self.target_scale

    def train_dataloader(self):
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 70)

    def test_dataloader(self):
        return DataLoader(self.parts[2], 72)


class Regression(L.LightningModule):
    def __init__(self, hidden: int = 16, lr: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.huber_loss(self(x), y)
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_mae", F.l1_loss(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_mae", F.l1_loss(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
