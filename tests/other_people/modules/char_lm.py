"""A language model whose output layer is its embedding (tied weights), with accumulated gradients."""

import math

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

TEXT = "the quick brown fox jumps over the lazy dog while five dozen liquor jugs are packed in my box " * 12
CHARS = sorted(set(TEXT))


class CharDataset(Dataset):
    def __init__(self, text, block):
        self.ids = torch.tensor([CHARS.index(c) for c in text])
        self.block = block

    def __len__(self):
        return (len(self.ids) - 1) // self.block

    def __getitem__(self, i):
        chunk = self.ids[i * self.block : (i + 1) * self.block + 1]
        return chunk[:-1], chunk[1:]


class CharData(pl.LightningDataModule):
    def __init__(self, block_size=6, batch_size=16):
        super().__init__()
        self.block_size = block_size
        self.batch_size = batch_size

    def setup(self, stage):
        n = len(TEXT)
        self.train = CharDataset(TEXT[: int(0.8 * n)], self.block_size)
        self.val = CharDataset(TEXT[int(0.8 * n) : int(0.9 * n)], self.block_size)
        self.test = CharDataset(TEXT[int(0.9 * n) :], self.block_size)

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val, 32)

    def test_dataloader(self):
        return DataLoader(self.test, 32)


class CharLM(pl.LightningModule):
    def __init__(self, n_embd=24, learning_rate=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.wte = nn.Embedding(len(CHARS), n_embd)
        self.rnn = nn.GRU(n_embd, n_embd, batch_first=True)
        self.lm_head = nn.Linear(n_embd, len(CHARS), bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids):
        hidden, _ = self.rnn(self.wte(ids))
        return self.lm_head(hidden)

    def _loss(self, batch):
        ids, targets = batch
        return F.cross_entropy(self(ids).flatten(0, 1), targets.flatten())

    def training_step(self, batch, batch_idx):
        loss = self._loss(batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("train/ppl", loss.detach().exp(), on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        loss = self._loss(batch)
        self.log_dict({"val/loss": loss, "val/bpc": loss / math.log(2)})

    def test_step(self, batch, batch_idx):
        self.log("test/loss", self._loss(batch))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.learning_rate, betas=(0.9, 0.95))
