"""The module brings its callbacks: a ModelCheckpoint, an EarlyStopping, a LearningRateMonitor."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Moons(pl.LightningDataModule):
    def __init__(self, batch_size: int = 25):
        super().__init__()
        self.batch_size = batch_size

    def _loader(self, n, random_state, **kwargs):
        from sklearn.datasets import make_moons

        x, y = make_moons(n, noise=0.2, random_state=random_state)
        return DataLoader(TensorDataset(torch.tensor(x).float(), torch.tensor(y).long()), **kwargs)

    def train_dataloader(self):
        return self._loader(300, 0, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return self._loader(100, 1, batch_size=100)

    def test_dataloader(self):
        return self._loader(100, 2, batch_size=100)


class MoonsModel(pl.LightningModule):
    def __init__(self, hidden: int = 16, lr: float = 1e-2, gamma: float = 0.9):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2)
        )

    def configure_callbacks(self):
        return [
            ModelCheckpoint(monitor="val_loss", mode="min", save_top_k=2, filename="moons-{epoch:02d}-{val_loss:.3f}"),
            EarlyStopping(monitor="val_loss", mode="min", patience=10),
            LearningRateMonitor(logging_interval="epoch"),
        ]

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(dim=-1) == y).float().mean())

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_acc", (self(x).argmax(dim=-1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=self.hparams.gamma)]
