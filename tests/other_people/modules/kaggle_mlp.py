"""A Kaggle notebook's MLP on a table: a frame, a Dataset that indexes it, dropout between all layers."""

import pandas as pd
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, Dataset

SEED = 2023


class TabularDataset(Dataset):
    def __init__(self, df, target):
        self.X = df.values.astype("float32")
        self.y = target.values.astype("float32")

    def __len__(self):
        return len(self.X)

    def __getitem__(self, idx):
        return torch.from_numpy(self.X[idx]), torch.tensor(self.y[idx])


class CancerData(pl.LightningDataModule):
    def __init__(self, batch_size=32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        df = load_breast_cancer(as_frame=True).frame
        train, test = train_test_split(df, test_size=0.2, random_state=SEED, stratify=df.target)
        train, val = train_test_split(train, test_size=0.2, random_state=SEED, stratify=train.target)
        features = [c for c in df.columns if c != "target"]
        scaler = StandardScaler().fit(train[features])

        def dataset(part):
            return TabularDataset(pd.DataFrame(scaler.transform(part[features])), part.target)

        self.train_ds, self.val_ds, self.test_ds = dataset(train), dataset(val), dataset(test)

    def train_dataloader(self):
        return DataLoader(self.train_ds, batch_size=self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val_ds, batch_size=self.batch_size * 2)

    def test_dataloader(self):
        return DataLoader(self.test_ds, batch_size=self.batch_size * 2)


class LitMLP(pl.LightningModule):
    def __init__(self, n_features=30, hidden=32, dropout=0.3, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.model = nn.Sequential(
            nn.Linear(n_features, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )
        self.loss_fn = nn.BCEWithLogitsLoss()

    def forward(self, x):
        return self.model(x).squeeze(1)

    def _shared_step(self, batch, stage):
        x, y = batch
        out = self(x)
        loss = self.loss_fn(out, y)
        acc = ((out > 0).float() == y).float().mean()
        self.log(f"{stage}_loss", loss, on_step=False, on_epoch=True)
        self.log(f"{stage}_acc", acc, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch, batch_idx):
        return self._shared_step(batch, "train")

    def validation_step(self, batch, batch_idx):
        return self._shared_step(batch, "valid")

    def test_step(self, batch, batch_idx):
        return self._shared_step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=1e-4)
