"""The study's one split into training and validation images."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from lightsearch.errors import Mistake, UserError


def split_indices(n: int, val_size: int | float, seed: int) -> tuple[Tensor, Tensor]:
    """Splits ``range(n)`` at random, the same way for the same seed.

    Args:
        n: Images to split.
        val_size: Images to validate on, or their share if it is a float.
        seed: The split's seed.

    Returns:
        (train: (n - v,) int64, val: (v,) int64), each in ascending order.

    Raises:
        UserError: if a side would be empty.
    """
    n_val = round(n * val_size) if isinstance(val_size, float) else val_size
    if not 0 < n_val < n - 1:
        raise UserError(
            Mistake("data.init_args.val_size", val_size, f"leave both sides images: 1 to {n - 2}, or a share")
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[n_val:].sort().values, order[:n_val].sort().values


def split_hash(images: Tensor, labels: Tensor, train: Tensor, val: Tensor) -> str:
    """A sha256 digest of the very images and labels on each side: another split, or other data, has another."""
    digest = hashlib.sha256()
    for side in (train, val):
        digest.update(len(side).to_bytes(8, "little"))
        digest.update(images[side].numpy().tobytes())
        digest.update(labels[side].numpy().tobytes())
    return digest.hexdigest()
