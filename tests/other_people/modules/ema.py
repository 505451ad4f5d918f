"""State kept in the steps: an EMA copy of the network that validates, and outputs collected for the epoch's end."""

import copy

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class IrisDataModule(pl.LightningDataModule):
    def __init__(self, batch_size=10):
        super().__init__()
        self.batch_size = batch_size
        x, y = load_iris(return_X_y=True)
        order = torch.randperm(150, generator=torch.Generator().manual_seed(5))
        self.x, self.y = torch.tensor(x).float()[order], torch.tensor(y)[order]

    def _loader(self, part, **kwargs):
        return DataLoader(TensorDataset(self.x[part], self.y[part]), **kwargs)

    def train_dataloader(self):
        return self._loader(slice(0, 90), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return self._loader(slice(90, 120), batch_size=30)

    def test_dataloader(self):
        return self._loader(slice(120, 150), batch_size=30)


class EMAClassifier(pl.LightningModule):
    def __init__(self, lr=0.02, decay=0.9):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        self.ema_net = copy.deepcopy(self.net).requires_grad_(False)
        self.training_step_outputs = []

    def forward(self, x):
        return self.ema_net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self.net(x)
        loss = F.cross_entropy(logits, y)
        self.training_step_outputs.append({"loss": loss.detach(), "correct": (logits.argmax(1) == y).float().mean()})
        return loss

    def on_train_batch_end(self, outputs, batch, batch_idx):
        with torch.no_grad():
            for slow, fast in zip(self.ema_net.parameters(), self.net.parameters()):
                slow.lerp_(fast, 1 - self.hparams.decay)

    def on_train_epoch_end(self):
        outputs = self.training_step_outputs
        self.log("train_acc", torch.stack([o["correct"] for o in outputs]).mean())
        self.log("train_loss", torch.stack([o["loss"] for o in outputs]).mean())
        self.training_step_outputs.clear()

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", F.cross_entropy(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_loss", F.cross_entropy(self(x), y))
        self.log("test_acc", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.net.parameters(), lr=self.hparams.lr)
