"""Steps alone, no forward: skip-grams with negative samples from the batch."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

VOCAB = 40


class SkipGrams(pl.LightningDataModule):
    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = batch_size

    def _pairs(self, n: int, seed: int) -> TensorDataset:
        generator = torch.Generator().manual_seed(seed)
        centre = torch.randint(VOCAB, (n,), generator=generator)
        context = (centre + torch.randint(1, 4, (n,), generator=generator)) % VOCAB
        return TensorDataset(centre, context)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self._pairs(800, 0), self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self._pairs(200, 1), 100)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self._pairs(200, 2), 100)


class SkipGram(pl.LightningModule):
    def __init__(self, dim: int = 12, lr: float = 0.05) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.centres = nn.Embedding(VOCAB, dim)
        self.contexts = nn.Embedding(VOCAB, dim)

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        centre, context = batch
        scores = self.centres(centre) @ self.contexts.weight.T
        return F.cross_entropy(scores, context)

    def training_step(self, batch, batch_idx):
        return self._loss(batch)

    def validation_step(self, batch, batch_idx):
        loss = self._loss(batch)
        self.log("val_loss", loss)
        return loss

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self._loss(batch))

    def configure_optimizers(self):
        return torch.optim.Adagrad(self.parameters(), lr=self.hparams.lr)
