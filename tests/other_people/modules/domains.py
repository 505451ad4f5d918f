"""Several validation and test loaders: in the domain, and out of it, with each loader's own name."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_domain(n, shift, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=g)
    y = (x[:, 0] + 0.7 * x[:, 1] * x[:, 2] > 0).long()
    return TensorDataset(x + shift, y)


class DomainDataModule(pl.LightningDataModule):
    def __init__(self, batch_size=32):
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self):
        return DataLoader(make_domain(400, 0.0, 0), self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return [DataLoader(make_domain(120, 0.0, 1), 60), DataLoader(make_domain(90, 0.8, 2), 60)]

    def test_dataloader(self):
        return {"in": DataLoader(make_domain(110, 0.0, 3), 60), "out": DataLoader(make_domain(80, 0.8, 4), 60)}


class DomainClassifier(pl.LightningModule):
    def __init__(self, hidden_dim=24, learning_rate=1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(6, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, 2))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        self.log("val_acc", (self(x).argmax(-1) == y).float().mean())

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        logits = self(x)
        self.log("test_loss", F.cross_entropy(logits, y))
        self.log("test_acc", (logits.argmax(-1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.learning_rate, momentum=0.9)
