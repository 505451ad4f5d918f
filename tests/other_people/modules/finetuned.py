"""Transfer learning: a frozen backbone in evaluation mode, the optimizer has the head's parameters alone."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
import torchmetrics
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SmallDigits(pl.LightningDataModule):
    def __init__(self, batch_size: int = 50):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        x, y = load_digits(return_X_y=True)
        x, y = torch.tensor(x).float() / 16, torch.tensor(y)
        self.ds = {"train": (x[:400], y[:400]), "val": (x[400:500], y[400:500]), "test": (x[500:600], y[500:600])}

    def train_dataloader(self):
        return DataLoader(TensorDataset(*self.ds["train"]), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(TensorDataset(*self.ds["val"]), 100)

    def test_dataloader(self):
        return DataLoader(TensorDataset(*self.ds["test"]), 100)


def pretrained_backbone():
    """Stands for a download: the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(1234)
        return nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())


class TransferModel(pl.LightningModule):
    def __init__(self, lr: float = 1e-2, weight_decay: float = 0.0):
        super().__init__()
        self.save_hyperparameters()
        self.feature_extractor = pretrained_backbone()
        for parameter in self.feature_extractor.parameters():
            parameter.requires_grad = False
        self.classifier = nn.Linear(48, 10)
        self.valid_acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)
        self.test_acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)

    def on_train_epoch_start(self):
        self.feature_extractor.eval()

    def forward(self, x):
        with torch.no_grad():
            representations = self.feature_extractor(x)
        return self.classifier(representations)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.valid_acc(self(x), y)
        self.log("valid_acc", self.valid_acc)

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.test_acc(self(x), y)
        self.log("test_acc", self.test_acc)

    def configure_optimizers(self):
        trainable = filter(lambda p: p.requires_grad, self.parameters())
        return torch.optim.Adam(trainable, lr=self.hparams.lr, weight_decay=self.hparams.weight_decay)
