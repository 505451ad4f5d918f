"""A small convolutional network on images of CIFAR-10's shape, generated, so that nothing is downloaded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Stripes(LightningDataModule):
    """Noisy images (3, 32, 32) of ten classes: the number of stripes, and whether they are horizontal or vertical."""

    def __init__(self, n: int = 1500, batch_size: int = 64) -> None:
        super().__init__()
        self.n = n
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(10, (self.n,), generator=generator)
        waves = torch.linspace(0, 6.28, 32) * (1 + labels[:, None] % 5)
        rows = torch.sin(waves + 6.28 * torch.rand(self.n, 1, generator=generator))
        stripes = rows[:, None, :].expand(-1, 32, -1)
        stripes = torch.where((labels < 5)[:, None, None], stripes, stripes.transpose(1, 2))
        images = stripes[:, None] + 0.5 * torch.randn(self.n, 3, 32, 32, generator=generator)
        split = self.n * 4 // 5
        self.train = TensorDataset(images[:split], labels[:split])
        self.val = TensorDataset(images[split:], labels[split:])

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.val, 300)


class ConvNet(LightningModule):
    """Two convolutions, average pooling, a linear layer."""

    def __init__(self, channels: int = 16, kernel_size: int = 3, lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Conv2d(3, channels, kernel_size, stride=2, padding=kernel_size // 2),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, kernel_size, stride=2, padding=kernel_size // 2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * channels, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        logits = self(batch[0])
        self.log_dict(
            {
                "val_loss": F.cross_entropy(logits, batch[1]),
                "val_acc": (logits.argmax(dim=1) == batch[1]).float().mean(),
            }
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), self.hparams["lr"])
