"""An autoencoder of digits that derives from ``lightning.pytorch``, with one optimizer for each half."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Autoencoder(pl.LightningModule):
    """Compresses an image to a bottleneck. Manual optimization steps both optimizers."""

    def __init__(self, in_features: int, bottleneck: int = 8, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(in_features, 32), nn.ReLU(), nn.Linear(32, bottleneck))
        self.decoder = nn.Sequential(nn.Linear(bottleneck, 32), nn.ReLU(), nn.Linear(32, in_features))

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> None:
        loss = F.mse_loss(self(batch[0]), batch[0].flatten(1))
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
        self.log("train_loss", loss, on_step=False, on_epoch=True)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("val_loss", F.mse_loss(self(batch[0]), batch[0].flatten(1)))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        rate = self.hparams["learning_rate"]
        return [torch.optim.Adam(half.parameters(), rate) for half in (self.encoder, self.decoder)]
