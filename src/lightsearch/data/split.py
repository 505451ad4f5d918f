"""The one split of a study into training and validation images."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from lightsearch.errors import Mistake, UserError


def split_indices(n: int, val_size: int | float, seed: int) -> tuple[Tensor, Tensor]:
    """Splits ``range(n)`` at random. The same seed gives the same split.

    Args:
        n: Number of images.
        val_size: Validation images: their number (int) or their share (float).
        seed: Seed of the split.

    Returns:
        (train: (n - v,) int64, val: (v,) int64): indices in ascending order.

    Raises:
        UserError: if a split would be empty.
    """
    n_val = round(n * val_size) if isinstance(val_size, float) else val_size
    if not 0 < n_val < n - 1:
        hint = f"write 1 to {n - 2}, or a fraction between 0 and 1, so that both splits contain images"
        raise UserError(Mistake("data.init_args.val_size", val_size, hint))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[n_val:].sort().values, order[:n_val].sort().values


def fold_indices(n: int, fold: int, folds: int, seed: int) -> tuple[Tensor, Tensor]:
    """A split of a cross-validation of ``range(n)``. Each index is in the validation side of exactly one fold.

    Args:
        n: Number of images.
        fold: Which fold is the validation side, from 0.
        folds: Number of folds; their sizes differ by 1 at most.
        seed: Seed of the split, the same for all folds.

    Returns:
        (train: (n - v,) int64, val: (v,) int64): indices in ascending order.

    Raises:
        UserError: if there are more folds than images, or no such fold.
    """
    if not 2 <= folds <= n // 2:
        raise UserError(Mistake("validation.folds", folds, f"write 2 to {n // 2}: there are {n} images"))
    if not 0 <= fold < folds:
        raise UserError(Mistake("data.init_args.fold", fold, f"write 0 to {folds - 1}, or leave it to [validation]"))
    parts = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tensor_split(folds)
    rest = torch.cat([part for index, part in enumerate(parts) if index != fold])
    return rest.sort().values, parts[fold].sort().values


def split_hash(images: Tensor, labels: Tensor, train: Tensor, val: Tensor) -> str:
    """A sha256 digest of the images and labels of both sides. Another split, or other data, has another digest."""
    digest = hashlib.sha256()
    for side in (train, val):
        digest.update(len(side).to_bytes(8, "little"))
        digest.update(images[side].numpy().tobytes())
        digest.update(labels[side].numpy().tobytes())
    return digest.hexdigest()
