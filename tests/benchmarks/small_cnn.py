"""A small CNN as its author wrote it, on 2,000 images of CIFAR-10's size: batch norm, dropout, torchmetrics."""

import torch
import torch.nn.functional as F
import torchmetrics
from pytorch_lightning import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Blobs(LightningDataModule):
    """Coloured patterns in noise, ten classes: 2,000 images to train, 500 to validate, (3, 32, 32) each."""

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(0)
        patterns = F.interpolate(torch.randn(10, 3, 4, 4, generator=generator), size=32, mode="bilinear")
        labels = torch.randint(10, (2_500,), generator=generator)
        images = patterns[labels] + 2.0 * torch.randn(2_500, 3, 32, 32, generator=generator)
        self.train = TensorDataset(images[:2_000], labels[:2_000])
        self.val = TensorDataset(images[2_000:], labels[2_000:])

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, 250)


class SmallCNN(LightningModule):
    """Two convolutions, and the accuracy of every stage as a metric object."""

    def __init__(self, channels: int = 8, dropout: float = 0.25, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.BatchNorm2d(2 * channels), nn.ReLU()),
            *(nn.MaxPool2d(4), nn.Flatten(), nn.Dropout(dropout)),
        )
        self.classifier = nn.Linear(2 * channels * 16, 10)
        self.train_acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)
        self.val_acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images))

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels)
        self.train_acc(logits, labels)
        self.log("train_loss", loss)
        self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        images, labels = batch
        self.val_acc(self(images), labels)
        self.log("val_acc", self.val_acc)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.hparams["learning_rate"])
