"""A transformer encoder: learned positions, a CLS token, padding masks, dropout, warm-up by a LambdaLR."""

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

VOCAB_SIZE, MAX_LEN, PAD, CLS = 30, 12, 0, 1


class Sentences(Dataset):
    def __init__(self, n: int, seed: int):
        g = torch.Generator().manual_seed(seed)
        lengths = torch.randint(4, MAX_LEN, (n,), generator=g)
        self.tokens = torch.randint(2, VOCAB_SIZE, (n, MAX_LEN), generator=g)
        self.tokens[torch.arange(MAX_LEN)[None] >= lengths[:, None]] = PAD
        self.labels = (((self.tokens > 15) & (self.tokens != PAD)).float().sum(1) > lengths / 2).long()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        return {"input_ids": self.tokens[idx], "attention_mask": self.tokens[idx] != PAD, "labels": self.labels[idx]}


class SentimentDataModule(L.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return DataLoader(Sentences(400, 0), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(Sentences(100, 1), batch_size=50)

    def test_dataloader(self):
        return DataLoader(Sentences(100, 2), batch_size=50)


class SentimentTransformer(L.LightningModule):
    def __init__(self, d_model: int = 16, nhead: int = 2, dropout: float = 0.1, lr: float = 3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.token = nn.Embedding(VOCAB_SIZE, d_model, padding_idx=PAD)
        self.position = nn.Parameter(torch.zeros(1, MAX_LEN + 1, d_model))
        nn.init.trunc_normal_(self.position, std=0.02)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 2 * d_model, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(
            layer, num_layers=1, norm=nn.LayerNorm(d_model), enable_nested_tensor=False
        )
        self.head = nn.Linear(d_model, 2)
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, input_ids, attention_mask):
        cls = torch.full_like(input_ids[:, :1], CLS)
        x = self.token(torch.cat([cls, input_ids], dim=1)) + self.position
        padded = torch.cat([torch.zeros_like(cls, dtype=torch.bool), ~attention_mask], dim=1)
        return self.head(self.encoder(x, src_key_padding_mask=padded)[:, 0])

    def step(self, batch, stage):
        logits = self(batch["input_ids"], batch["attention_mask"])
        loss = self.criterion(logits, batch["labels"])
        acc = (logits.argmax(-1) == batch["labels"]).float().mean()
        self.log_dict({f"{stage}_loss": loss, f"{stage}_acc": acc}, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch, batch_idx):
        return self.step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self.step(batch, "val")

    def test_step(self, batch, batch_idx):
        self.step(batch, "test")

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))
        return [optimizer], [{"scheduler": warmup, "interval": "step"}]
