"""Batches are dictionaries of several inputs; the training step returns a dictionary; the plateau of val_loss."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Ratings(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.user = torch.randint(20, (n,), generator=g)
        self.item = torch.randint(30, (n,), generator=g)
        self.features = torch.randn(n, 3, generator=g)
        taste = torch.sin(self.user.float()) * torch.cos(self.item.float())
        self.rating = taste + 0.5 * self.features[:, 0]

    def __len__(self):
        return len(self.user)

    def __getitem__(self, index):
        return {
            "inputs": {"user": self.user[index], "item": self.item[index], "features": self.features[index]},
            "target": self.rating[index],
            "row": f"row-{index}",
        }


class RatingsData(pl.LightningDataModule):
    def __init__(self, batch_size=50):
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self):
        return DataLoader(Ratings(500, 0), batch_size=self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(Ratings(150, 1), batch_size=50)

    def test_dataloader(self):
        return DataLoader(Ratings(150, 2), batch_size=50)


class TwoTowers(pl.LightningModule):
    def __init__(self, embedding_dim=8, lr=1e-2, patience=1):
        super().__init__()
        self.save_hyperparameters()
        self.users = nn.Embedding(20, embedding_dim)
        self.items = nn.Embedding(30, embedding_dim)
        self.dense = nn.Linear(3, embedding_dim)
        self.loss = nn.MSELoss()

    def forward(self, user, item, features):
        return (self.users(user) * self.items(item) + self.dense(features)).sum(-1)

    def training_step(self, batch, batch_idx):
        predictions = self(**batch["inputs"])
        loss = self.loss(predictions, batch["target"])
        return {"loss": loss, "predictions": predictions.detach(), "target": batch["target"]}

    def on_train_batch_end(self, outputs, batch, batch_idx):
        error = (outputs["predictions"] - outputs["target"]).abs().mean()
        self.log("train_mae", error, on_step=False, on_epoch=True)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(self(**batch["inputs"]), batch["target"]))

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.loss(self(**batch["inputs"]), batch["target"]))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=self.hparams.patience)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss", "frequency": 1}}
