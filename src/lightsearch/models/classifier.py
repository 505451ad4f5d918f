"""The default model: a batch-normalised multilayer perceptron for images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

Batch = tuple[Tensor, Tensor]
"""(images: (B, C, H, W) float32 in [0, 1], labels: (B,) int64 in [0, num_classes))."""


class Classifier(LightningModule):
    """Two hidden layers of equal width, each Linear, BatchNorm and ReLU, with cross entropy and Adam.

    Logs ``train_loss`` (the epoch's mean), ``val_loss``, ``val_acc``, ``test_loss`` and ``test_acc``.

    Args:
        in_features: Numbers per image: channels x height x width. Filled in from the data.
        num_classes: Number of classes. Filled in from the data.
        hidden_size: Width of both hidden layers.
        learning_rate: Step size of Adam.
        lr_schedule: ``constant``, or ``cosine``: the step size falls to 0 along a cosine over the epochs that the
            Trainer plans (Loshchilov and Hutter, SGDR, 2017, without restarts).

    Raises:
        ValueError: if ``lr_schedule`` is neither.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        hidden_size: int = 128,
        learning_rate: float = 1e-3,
        lr_schedule: str = "constant",
    ) -> None:
        super().__init__()
        if lr_schedule not in ("constant", "cosine"):
            raise ValueError(f'lr_schedule must be "constant" or "cosine", not {lr_schedule!r}')
        self.save_hyperparameters()
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_features, hidden_size),
            nn.BatchNorm1d(hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, hidden_size),
            nn.BatchNorm1d(hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, num_classes),
        )
        # Batches are summed up and logged once per epoch: self.log in every step costs more than the hooks.
        self.train_loss_sum, self.train_count = torch.zeros(()), 0
        # A NaN is a result; it must not be left out of the mean.
        self.val_loss, self.test_loss = MeanMetric(nan_strategy="disable"), MeanMetric(nan_strategy="disable")
        # The labels are known to be in range, and checking them costs one synchronisation per batch.
        self.val_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) float32 in [0, 1] -> logits (B, num_classes)."""
        logits: Tensor = self.model(images)
        return logits

    def on_train_epoch_start(self) -> None:
        self.train_loss_sum, self.train_count = torch.zeros((), device=self.device), 0

    def training_step(self, batch: Batch) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.train_loss_sum += loss.detach() * len(labels)  # stays on the device: no synchronisation
        self.train_count += len(labels)
        return loss

    def on_train_epoch_end(self) -> None:
        # Several devices train on the same number of images each, so that the mean of their means is that of all.
        self.log("train_loss", self.train_loss_sum / self.train_count, sync_dist=True)

    def validation_step(self, batch: Batch) -> None:
        self._evaluate(batch, self.val_loss, self.val_acc)

    def on_validation_epoch_end(self) -> None:
        self.log_dict({"val_loss": self.val_loss, "val_acc": self.val_acc})

    def test_step(self, batch: Batch) -> None:
        self._evaluate(batch, self.test_loss, self.test_acc)

    def on_test_epoch_end(self) -> None:
        self.log_dict({"test_loss": self.test_loss, "test_acc": self.test_acc})

    def configure_optimizers(self) -> OptimizerLRScheduler:
        # One kernel for all parameters: at a width of 512, a step on a CPU is twice as fast as a loop over tensors.
        # A loss scaler that clips gradients has to unscale them first, but the fused kernel unscales them itself.
        clipped = self.trainer.gradient_clip_val is not None and self.trainer.precision == "16-mixed"
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=not clipped)
        if self.lr_schedule == "constant":
            return optimizer
        schedule = CosineAnnealingLR(optimizer, T_max=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _evaluate(self, batch: Batch, loss: MeanMetric, accuracy: MulticlassAccuracy) -> None:
        images, labels = batch
        logits = self(images)
        loss.update(F.cross_entropy(logits, labels), len(labels))
        accuracy.update(logits, labels)
