"""The metric comes from all outputs at the epoch's end, under a name with a slash."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Squares(pl.LightningDataModule):
    def __init__(self, batch_size: int = 20) -> None:
        super().__init__()
        self.batch_size = batch_size

    def _set(self, n: int, seed: int) -> TensorDataset:
        g = torch.Generator().manual_seed(seed)
        masks = torch.zeros(n, 1, 12, 12)
        for mask in masks:
            top, left = torch.randint(0, 8, (2,), generator=g).tolist()
            mask[:, top : top + 4, left : left + 4] = 1
        return TensorDataset(masks + 0.2 * torch.randn(masks.shape, generator=g), masks)

    def setup(self, stage: str) -> None:
        self.train_set, self.val_set, self.test_set = self._set(200, 0), self._set(50, 1), self._set(50, 2)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train_set, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val_set, self.batch_size)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test_set, self.batch_size)


class Segmenter(pl.LightningModule):
    def __init__(self, channels: int = 6, lr: float = 1e-2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 1, 3, padding=1),
        )
        self.register_buffer("pos_weight", torch.tensor(8.0))
        self.validation_step_outputs: list[dict[str, torch.Tensor]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images)

    def training_step(self, batch, batch_idx: int) -> torch.Tensor:
        images, masks = batch
        loss = F.binary_cross_entropy_with_logits(self(images), masks, pos_weight=self.pos_weight)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def shared_eval_step(self, batch) -> None:
        images, masks = batch
        found = self(images) > 0
        tp, fp = (found & (masks == 1)).sum(), (found & (masks == 0)).sum()
        fn = (~found & (masks == 1)).sum()
        self.validation_step_outputs.append({"tp": tp, "fp": fp, "fn": fn})

    def shared_epoch_end(self, stage: str) -> None:
        tp, fp, fn = (sum(o[key] for o in self.validation_step_outputs) for key in ("tp", "fp", "fn"))
        self.log(f"{stage}/iou", tp / (tp + fp + fn), prog_bar=True)
        self.validation_step_outputs.clear()

    def validation_step(self, batch, batch_idx: int) -> None:
        self.shared_eval_step(batch)

    def on_validation_epoch_end(self) -> None:
        self.shared_epoch_end("val")

    def test_step(self, batch, batch_idx: int) -> None:
        self.shared_eval_step(batch)

    def on_test_epoch_end(self) -> None:
        self.shared_epoch_end("test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
