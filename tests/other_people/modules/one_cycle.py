"""OneCycleLR by the step over ``estimated_stepping_batches``; no weight decay for biases and norms."""

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Subset, TensorDataset


class WineDataModule(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        x, y = load_wine(return_X_y=True)
        x = torch.tensor(x, dtype=torch.float32)
        whole = TensorDataset((x - x.mean(0)) / x.std(0), torch.tensor(y))
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(3)).tolist()
        self.train, self.val, self.test = (
            Subset(whole, order[:110]),
            Subset(whole, order[110:144]),
            Subset(whole, order[144:]),
        )

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, 34)

    def test_dataloader(self):
        return DataLoader(self.test, 34)


class WineNet(pl.LightningModule):
    def __init__(self, hidden: int = 16, max_lr: float = 1e-2, weight_decay: float = 0.05):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(13, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, 3))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y, label_smoothing=0.1)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", F.cross_entropy(self(x), y), prog_bar=True, sync_dist=True)

    def test_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.log_dict({"test_loss": F.cross_entropy(logits, y), "test_acc": (logits.argmax(1) == y).float().mean()})

    def configure_optimizers(self):
        decay = [p for p in self.parameters() if p.ndim > 1]
        no_decay = [p for p in self.parameters() if p.ndim <= 1]
        groups = [
            {"params": decay, "weight_decay": self.hparams.weight_decay},
            {"params": no_decay, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.hparams.max_lr)
        total = int(self.trainer.estimated_stepping_batches)
        scheduler = OneCycleLR(optimizer, max_lr=self.hparams.max_lr, total_steps=total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
