"""Physics in double precision: the module and its data are float64."""

import math

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Pendulum(pl.LightningDataModule):
    def __init__(self, batch_size: int = 40, dtype: str = "float64"):
        super().__init__()
        self.batch_size = batch_size
        self.dtype = getattr(torch, dtype)

    def setup(self, stage=None):
        generator = torch.Generator().manual_seed(11)
        state = torch.rand(700, 2, generator=generator, dtype=self.dtype) * 2 * math.pi - math.pi
        angle, velocity = state.T
        after = torch.stack([angle + 0.1 * velocity, velocity - 0.1 * torch.sin(angle)], dim=1)
        whole = TensorDataset(state, after)
        self.train, self.val, self.test = torch.utils.data.random_split(
            whole, [500, 100, 100], torch.Generator().manual_seed(12)
        )

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, 100)

    def test_dataloader(self):
        return DataLoader(self.test, 100)


class Dynamics(pl.LightningModule):
    def __init__(self, hidden: int = 20, lr: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2))
        self.double()

    def forward(self, state):
        return state + self.net(state)

    def training_step(self, batch, batch_idx):
        state, after = batch
        loss = (self(state) - after).pow(2).mean()
        self.log("train_mse", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        state, after = batch
        self.log("val_mse", (self(state) - after).pow(2).mean())

    def test_step(self, batch, batch_idx):
        state, after = batch
        self.log("test_mse", (self(state) - after).pow(2).mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class SinglePrecisionDynamics(Dynamics):
    """The same, left in float32: the Trainer's precision makes it float64."""

    def __init__(self, hidden: int = 20, lr: float = 1e-2):
        super().__init__(hidden, lr)
        self.float()
