"""Counts on a logger: histograms of its weights, a LearningRateMonitor; model and data both save a batch size."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import LearningRateMonitor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Waves(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32, length: int = 16):
        super().__init__()
        self.save_hyperparameters()

    def _waves(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        frequency = torch.randint(1, 4, (n,), generator=g)
        time = torch.linspace(0, 6.28, self.hparams.length)
        waves = torch.sin(frequency[:, None] * time) + 0.5 * torch.randn(n, self.hparams.length, generator=g)
        return TensorDataset(waves[:, None], frequency - 1)

    def train_dataloader(self):
        return DataLoader(self._waves(400, 0), self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self._waves(100, 1), self.hparams.batch_size)

    def test_dataloader(self):
        return DataLoader(self._waves(100, 2), self.hparams.batch_size)


class WaveNet(pl.LightningModule):
    def __init__(self, channels: int = 8, lr: float = 1e-2, batch_size: int = 32):
        super().__init__()
        self.save_hyperparameters()
        self.conv = nn.Conv1d(1, channels, 5, padding=2)
        self.fc = nn.Linear(channels, 3)
        self.example_input_array = torch.zeros(2, 1, 16)

    def configure_callbacks(self):
        return LearningRateMonitor(logging_interval="step")

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).amax(-1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("loss/train", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_epoch_end(self):
        for name, parameter in self.named_parameters():
            self.logger.experiment.add_histogram(name, parameter, self.current_epoch)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("loss/val", F.cross_entropy(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("loss/test", F.cross_entropy(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
