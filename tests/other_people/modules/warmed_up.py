"""Hooks in the steps: gradient norms are logged before each, the optimizer's own step is overridden for a warm-up."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.utilities import grad_norm
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Spirals(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def _spirals(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        t, arm = 3 * torch.rand(n, generator=g) + 0.3, torch.randint(2, (n,), generator=g)
        angle = t * 2 + arm * 3.14159
        points = torch.stack([t * angle.cos(), t * angle.sin()], 1) + 0.1 * torch.randn(n, 2, generator=g)
        return TensorDataset(points, arm)

    def train_dataloader(self):
        return DataLoader(self._spirals(400, 0), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self._spirals(100, 1), 100)

    def test_dataloader(self):
        return DataLoader(self._spirals(100, 2), 100)


class SpiralNet(pl.LightningModule):
    def __init__(self, hidden: int = 24, lr: float = 0.02, warmup: int = 8):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2)
        )

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def on_before_optimizer_step(self, optimizer):
        norms = grad_norm(self.net, norm_type=2)
        self.log("grad_norm", norms["grad_2.0_norm_total"])

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        optimizer.step(closure=optimizer_closure)
        if self.trainer.global_step < self.hparams.warmup:
            scale = min(1.0, float(self.trainer.global_step + 1) / self.hparams.warmup)
            for group in optimizer.param_groups:
                group["lr"] = scale * self.hparams.lr

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", F.cross_entropy(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_loss", F.cross_entropy(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
