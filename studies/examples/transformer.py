"""A transformer encoder on sequences of numbers: which one is the most frequent?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

VOCABULARY, LENGTH = 8, 16


class Sequences(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless stream of (tokens: (LENGTH,) int64, label: () int64); its start depends on the seed."""

    def __init__(self, seed: int, n: int) -> None:
        self.seed = seed
        self.n = n

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.n):
            tokens = torch.randint(VOCABULARY, (LENGTH,), generator=generator)
            yield tokens, torch.bincount(tokens, minlength=VOCABULARY).argmax()


class Stream(LightningDataModule):
    """Iterable data sets, whose number of batches is unknown."""

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(Sequences(1, 3200), self.batch_size)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(Sequences(2, 512), 256)


class Encoder(LightningModule):
    """Embedding, encoder layers, mean over the sequence, linear layer."""

    def __init__(self, d_model: int = 32, num_heads: int = 2, num_layers: int = 1, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.embed = nn.Embedding(VOCABULARY, d_model)
        layer = nn.TransformerEncoderLayer(d_model, num_heads, 2 * d_model, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        self.head = nn.Linear(d_model, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(tokens)).mean(dim=1))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("val_acc", (self(batch[0]).argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(self.parameters(), self.hparams["learning_rate"])
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
