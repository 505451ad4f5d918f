"""Noise in the forward pass, and random augmentation by Python's and numpy's generators in the loader's workers."""

import random

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset, default_collate


class AugmentedDigits(Dataset):
    def __init__(self, part, train):
        digits = load_digits()
        self.images, self.labels = digits.images[part].astype(np.float32) / 16, digits.target[part]
        self.train = train

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        image = self.images[idx]
        if self.train and random.random() < 0.5:
            image = np.roll(image, random.choice([-1, 1]), axis=1)
        if self.train:
            image = image + np.random.normal(0, 0.05, image.shape).astype(np.float32)
        return torch.from_numpy(image.copy())[None], int(self.labels[idx])


class AugmentedData(pl.LightningDataModule):
    def __init__(self, batch_size=50, num_workers=0):
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers

    def train_dataloader(self):
        return DataLoader(
            AugmentedDigits(slice(0, 500), True),
            batch_size=self.batch_size,
            shuffle=True,
            collate_fn=lambda items: default_collate(items),  # no pickle can hold it
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def val_dataloader(self):
        return DataLoader(AugmentedDigits(slice(500, 650), False), batch_size=75)

    def test_dataloader(self):
        return DataLoader(AugmentedDigits(slice(650, 800), False), batch_size=75)


class NoisyNet(pl.LightningModule):
    def __init__(self, sigma=0.1, lr=5e-3):
        super().__init__()
        self.save_hyperparameters()
        self.l1 = nn.Linear(64, 32)
        self.l2 = nn.Linear(32, 10)

    def forward(self, x):
        h = F.relu(self.l1(x.flatten(1)))
        if self.training:
            h = h + self.hparams.sigma * torch.randn_like(h)
        return self.l2(h)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self(x).argmax(1) == y).float().mean())

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_acc", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
