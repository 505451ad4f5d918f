"""A GAN as in the Lightning documentation: manual optimisation, two optimizers that are toggled."""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class RingDataModule(L.LightningDataModule):
    def __init__(self, batch_size: int = 64):
        super().__init__()
        self.batch_size = batch_size

    def _points(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        angle = 6.2832 * torch.rand(n, generator=g)
        points = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2, generator=g)
        return TensorDataset(points)

    def train_dataloader(self):
        return DataLoader(self._points(512, 0), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self._points(128, 1), 128)

    def test_dataloader(self):
        return DataLoader(self._points(128, 2), 128)


class GAN(L.LightningModule):
    def __init__(self, latent_dim: int = 4, hidden: int = 24, lr: float = 2e-3, b1: float = 0.5):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(latent_dim, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))
        z = torch.randn(128, latent_dim, generator=torch.Generator().manual_seed(7))
        self.register_buffer("validation_z", z)

    def forward(self, z):
        return self.generator(z)

    def adversarial_loss(self, logits, real):
        target = torch.ones_like(logits) if real else torch.zeros_like(logits)
        return F.binary_cross_entropy_with_logits(logits, target)

    def training_step(self, batch, batch_idx):
        (points,) = batch
        optimizer_g, optimizer_d = self.optimizers()
        z = torch.randn(points.shape[0], self.hparams.latent_dim).type_as(points)

        self.toggle_optimizer(optimizer_g)
        g_loss = self.adversarial_loss(self.discriminator(self(z)), real=True)
        self.log("g_loss", g_loss, prog_bar=True)
        self.manual_backward(g_loss)
        optimizer_g.step()
        optimizer_g.zero_grad()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real_loss = self.adversarial_loss(self.discriminator(points), real=True)
        fake_loss = self.adversarial_loss(self.discriminator(self(z).detach()), real=False)
        d_loss = (real_loss + fake_loss) / 2
        self.log("d_loss", d_loss, prog_bar=True)
        self.manual_backward(d_loss)
        optimizer_d.step()
        optimizer_d.zero_grad()
        self.untoggle_optimizer(optimizer_d)

    def _distance(self, points):
        made = self(self.validation_z)
        return (made.mean(0) - points.mean(0)).norm() + (made.std(0) - points.std(0)).norm()

    def validation_step(self, batch, batch_idx):
        self.log("val_distance", self._distance(batch[0]))

    def test_step(self, batch, batch_idx):
        self.log("test_distance", self._distance(batch[0]))

    def configure_optimizers(self):
        lr, betas = self.hparams.lr, (self.hparams.b1, 0.999)
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=lr, betas=betas)
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=lr, betas=betas)
        return [opt_g, opt_d], []
