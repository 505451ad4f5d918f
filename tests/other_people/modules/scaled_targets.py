"""What the data were scaled with is taken from them as the fit begins, and goes into the checkpoint by its hooks."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class HousesData(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str):
        g = torch.Generator().manual_seed(8)
        x = torch.rand(500, 4, generator=g)
        price = 200_000 + 80_000 * x[:, 0] + 50_000 * x[:, 1] * x[:, 2] + 3_000 * torch.randn(500, generator=g)
        self.parts = [TensorDataset(x[a:b], price[a:b]) for a, b in ((0, 300), (300, 400), (400, 500))]

    @property
    def price_stats(self) -> tuple[float, float]:
        prices = self.parts[0].tensors[1]
        return float(prices.mean()), float(prices.std())

    def train_dataloader(self):
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 100)

    def test_dataloader(self):
        return DataLoader(self.parts[2], 100)


class PriceModel(pl.LightningModule):
    def __init__(self, hidden: int = 16, lr: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.mean, self.std = 0.0, 1.0

    def on_fit_start(self):
        self.mean, self.std = self.trainer.datamodule.price_stats

    def on_save_checkpoint(self, checkpoint):
        checkpoint["price_stats"] = {"mean": self.mean, "std": self.std}

    def on_load_checkpoint(self, checkpoint):
        self.mean, self.std = checkpoint["price_stats"]["mean"], checkpoint["price_stats"]["std"]

    def forward(self, x):
        return self.net(x).squeeze(-1) * self.std + self.mean

    def training_step(self, batch, batch_idx):
        x, price = batch
        return ((self(x) - price) / self.std).pow(2).mean()

    def validation_step(self, batch, batch_idx):
        x, price = batch
        self.log("val_mae", (self(x) - price).abs().mean())

    def test_step(self, batch, batch_idx):
        x, price = batch
        self.log("test_mae", (self(x) - price).abs().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
