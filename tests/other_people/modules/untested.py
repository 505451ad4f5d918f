"""A baseline in one file: no test loader, no test step, an AutoEncoder as the first page of a tutorial has it."""

import lightning as L
import torch
from torch import nn, optim, utils


class Images(L.LightningDataModule):
    def train_dataloader(self):
        return utils.data.DataLoader(torch.rand(256, 1, 6, 6, generator=torch.Generator().manual_seed(0)), 32)

    def val_dataloader(self):
        return utils.data.DataLoader(torch.rand(64, 1, 6, 6, generator=torch.Generator().manual_seed(1)), 32)


class LitAutoEncoder(L.LightningModule):
    def __init__(self, latent: int = 3, lr: float = 1e-3):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 16), nn.ReLU(), nn.Linear(16, 36))
        self.lr = lr

    def training_step(self, batch, batch_idx):
        x = batch.view(batch.size(0), -1)
        loss = nn.functional.mse_loss(self.decoder(self.encoder(x)), x)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x = batch.view(batch.size(0), -1)
        self.log("val_loss", nn.functional.mse_loss(self.decoder(self.encoder(x)), x))

    def configure_optimizers(self):
        return optim.Adam(self.parameters(), lr=self.lr)
