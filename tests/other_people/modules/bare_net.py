"""No save_hyperparameters at all: an activation by its name, a width, an optimizer by its name."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sine": lambda: Sine(), "square": lambda: Square()}


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(3 * x)


class Square(nn.Module):
    def forward(self, x):
        return x * x


class XorData(pl.LightningDataModule):
    def make(self, n, seed):
        gen = torch.Generator().manual_seed(seed)
        x = 2 * torch.rand(n, 4, generator=gen) - 1
        return TensorDataset(x, ((x[:, 0] * x[:, 1]) > 0).long())

    def train_dataloader(self):
        return DataLoader(self.make(600, 0), batch_size=30, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.make(200, 1), batch_size=200)

    def test_dataloader(self):
        return DataLoader(self.make(200, 2), batch_size=200)


class Net(pl.LightningModule):
    def __init__(self, width=16, activation="relu", optimizer="Adam", lr=0.01):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), ACTIVATIONS[activation](), nn.Linear(width, width), ACTIVATIONS[activation]()
        )
        self.out = nn.Linear(width, 2)
        self.optimizer_name = optimizer
        self.lr = lr
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.out(self.layers(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.criterion(self(x), y)
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        out = self(x)
        self.log("val_loss", self.criterion(out, y))
        self.log("val_acc", (out.argmax(1) == y).float().mean())

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_acc", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return getattr(torch.optim, self.optimizer_name)(self.parameters(), lr=self.lr)
