"""A stream without a length, shared among the loader's workers."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class ClickStream(IterableDataset):
    def __init__(self, day, n):
        super().__init__()
        self.day, self.n = day, n

    def __iter__(self):
        info = get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(start, self.n, step):
            g = torch.Generator().manual_seed(self.day * 100_003 + i)
            x = torch.randn(8, generator=g)
            yield x, (x.sum() + 0.3 * torch.randn((), generator=g) > 0).float()


class ClickDataModule(pl.LightningDataModule):
    def __init__(self, batch_size=32, n_train=480):
        super().__init__()
        self.batch_size = batch_size
        self.n_train = n_train

    def train_dataloader(self):
        return DataLoader(ClickStream(0, self.n_train), batch_size=self.batch_size)

    def val_dataloader(self):
        return DataLoader(ClickStream(1, 120), batch_size=60)

    def test_dataloader(self):
        return DataLoader(ClickStream(2, 120), batch_size=60)


class ClickModel(pl.LightningModule):
    def __init__(self, lr=1e-2, embed=8):
        super().__init__()
        self.save_hyperparameters()
        self.mlp = nn.Sequential(nn.Linear(8, embed), nn.ReLU(), nn.Linear(embed, 1))

    def forward(self, x):
        return self.mlp(x).squeeze(-1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.binary_cross_entropy_with_logits(self(x), y)
        self.log("train_logloss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_logloss", F.binary_cross_entropy_with_logits(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_logloss", F.binary_cross_entropy_with_logits(self(x), y))

    def configure_optimizers(self):
        return torch.optim.RMSprop(self.parameters(), lr=self.hparams.lr)
