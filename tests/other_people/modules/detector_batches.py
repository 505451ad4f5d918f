"""A batch class of the company's own; the data module moves it, and normalises and augments it there."""

import dataclasses

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


@dataclasses.dataclass
class ImageBatch:
    images: torch.Tensor
    labels: torch.Tensor

    def to(self, device):
        return ImageBatch(self.images.to(device), self.labels.to(device))


class ScanDataset(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "label": int(self.labels[i])}


def collate(items):
    return ImageBatch(
        images=torch.stack([torch.as_tensor(item["image"]) for item in items]),
        labels=torch.tensor([item["label"] for item in items]),
    )


class ScanDataModule(pl.LightningDataModule):
    def __init__(self, batch_size: int = 50, noise: float = 0.05):
        super().__init__()
        self.batch_size = batch_size
        self.noise = noise

    def setup(self, stage: str):
        digits = load_digits()
        raw = (digits.images * 15).astype("uint8")  # as they come from the camera
        self.mean, self.std = raw[:500].mean(), raw[:500].std()
        self.train_set = ScanDataset(raw[:500], digits.target[:500])
        self.val_set = ScanDataset(raw[500:650], digits.target[500:650])
        self.test_set = ScanDataset(raw[650:800], digits.target[650:800])

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        if isinstance(batch, ImageBatch):
            return batch.to(device)
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        images = (batch.images.float() - self.mean) / self.std
        if self.trainer.training:
            images = images + self.noise * torch.randn_like(images)
        return ImageBatch(images.flatten(1), batch.labels)

    def train_dataloader(self):
        return DataLoader(self.train_set, self.batch_size, shuffle=True, collate_fn=collate)

    def val_dataloader(self):
        return DataLoader(self.val_set, 75, collate_fn=collate)

    def test_dataloader(self):
        return DataLoader(self.test_set, 75, collate_fn=collate)


class ScanClassifier(pl.LightningModule):
    def __init__(self, hidden: int = 32, lr: float = 3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.backbone = nn.Sequential(nn.Linear(64, hidden), nn.GELU())
        self.head = nn.Linear(hidden, 10)

    def forward(self, batch: ImageBatch):
        return self.head(self.backbone(batch.images))

    def training_step(self, batch: ImageBatch, batch_idx: int):
        loss = F.cross_entropy(self(batch), batch.labels)
        self.log("train/loss", loss, on_step=True, on_epoch=True, batch_size=len(batch.labels))
        return loss

    def _evaluate(self, batch: ImageBatch, stage: str):
        accuracy = (self(batch).argmax(1) == batch.labels).float().mean()
        self.log(f"{stage}/acc", accuracy, batch_size=len(batch.labels))

    def validation_step(self, batch: ImageBatch, batch_idx: int):
        self._evaluate(batch, "val")

    def test_step(self, batch: ImageBatch, batch_idx: int):
        self._evaluate(batch, "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.hparams.lr)
