"""Batches from tensors in memory. A batch is one indexing operation; no Python code runs per image."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class TensorLoader:
    """Iterates over images and labels in batches. The last batch may be smaller.

    The order of a shuffled epoch is drawn from torch's global generator when iteration begins: seeding it at the start
    of an epoch determines the order.

    If several processes share the images, each step takes one batch per process, and each image is in one batch only.
    All processes have the same number of batches.

    Args:
        images: (N, C, H, W) uint8 in [0, 255].
        labels: (N,) int64.
        batch_size: Images per batch and process.
        shuffle: Whether every epoch has a new order.
        drop_last: Whether to leave out a last batch of one image, on which BatchNorm cannot train, and images that
            would make the batch of one process larger than that of another.
        share: This process's rank, from 0, and the number of processes.

    Raises:
        ValueError: if ``batch_size`` is below 1, or there are fewer images than processes.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.images = images
        self.labels = labels
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._rank, self._ranks = share
        if 0 < len(labels) < self._ranks:
            raise ValueError(f"{len(labels)} images cannot be shared by {self._ranks} devices")
        self._step = batch_size * self._ranks
        self._used = len(labels)
        if drop_last:
            rest = self._used % self._step
            left_out = rest if rest < 2 * self._ranks else rest % self._ranks
            self._used -= left_out if left_out < self._used else 0

    def __len__(self) -> int:
        # If fewer images than processes remain, the last step takes them.
        return -(-(self._used - self._ranks + 1) // self._step)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields (images: (B, C, H, W) float32 in [0, 1], labels: (B,) int64), on the tensors' device."""
        # Drawn on the CPU, so that a seed gives the same order on every device.
        order = torch.randperm(len(self.labels)).to(self.labels.device) if self.shuffle else None
        for number in range(len(self)):
            stop = (number + 1) * self._step if number + 1 < len(self) else self._used
            span = slice(number * self._step + self._rank, stop, self._ranks)
            if order is None:
                images, labels = self.images[span], self.labels[span]
            else:  # index_select is ten times as fast as indexing with a tensor
                images, labels = self.images.index_select(0, order[span]), self.labels.index_select(0, order[span])
            yield images.float().div_(255), labels
