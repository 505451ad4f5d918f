"""Batches from tensors in memory: a batch is one indexing operation, no Python runs for a single image."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class TensorLoader:
    """Iterates over images and labels in batches; the last batch may be smaller.

    The order of a shuffled epoch comes from torch's global generator when iteration begins, so whoever seeds that
    at the start of an epoch decides it.

    Args:
        images: (N, C, H, W) uint8 in [0, 255].
        labels: (N,) int64.
        batch_size: Images a batch.
        shuffle: A new order every epoch.
        drop_last: Leave out a last batch of one image, which BatchNorm cannot train on.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, batch_size: int, *, shuffle: bool = False, drop_last: bool = False
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.images = images
        self.labels = labels
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._used = len(labels)
        if drop_last and self._used % batch_size == 1 and self._used > 1:
            self._used -= 1

    def __len__(self) -> int:
        return -(-self._used // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields (images: (B, C, H, W) float32 in [0, 1], labels: (B,) int64), on the tensors' device."""
        # Drawn on the host, so that a seed gives the same order on every device.
        order = torch.randperm(len(self.labels)).to(self.labels.device) if self.shuffle else None
        for start in range(0, self._used, self.batch_size):
            span = slice(start, min(start + self.batch_size, self._used))
            if order is None:
                images, labels = self.images[span], self.labels[span]
            else:  # ten times as fast as indexing with a tensor
                images, labels = self.images.index_select(0, order[span]), self.labels.index_select(0, order[span])
            yield images.float().div_(255), labels
