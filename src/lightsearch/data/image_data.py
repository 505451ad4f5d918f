"""The data of a search: training and validation images. It has no access to the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule

from lightsearch.data.loader import TensorLoader
from lightsearch.data.sources import Images, read_images
from lightsearch.data.split import fold_indices, split_hash, split_indices

VAL_BATCH_SIZE = 1024
"""Images of a validation batch. Validation needs no gradients, so that larger batches fit, and fewer cost less."""


class ImageData(LightningDataModule):
    """Images in memory, in one split that depends on the study's seed only.

    Args:
        dataset: ``digits``, ``mnist``, ``fashion_mnist``, ``kmnist``, ``cifar10`` or ``folder``.
        batch_size: Images per training batch and device.
        val_size: Validation images: their number (int), or their share in (0, 1) (float).
        data_dir: Folder of the data files; ``digits`` needs none.
        split_seed: Seed of the split. It is the study's seed, so that all trials share one split.
        image_size: Height and width in pixels to which the images of a ``folder`` are scaled.
        fold: Which fold of a cross-validation the validation images are, from 0.
        folds: Number of folds; None: the one split of ``val_size``, which has no effect otherwise.

    Raises:
        UserError: if the data cannot be read or split.
    """

    def __init__(
        self,
        dataset: str = "digits",
        batch_size: int = 64,
        val_size: int | float = 0.2,
        data_dir: str = "data",
        split_seed: int = 0,
        image_size: int | None = None,
        fold: int = 0,
        folds: int | None = None,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.data_dir = data_dir
        self.image_size = image_size
        self._images: Images = read_images(dataset, Path(data_dir), train=True, image_size=image_size)
        n = len(self._images.labels)
        if folds is None:
            self._train, self._val = split_indices(n, val_size, split_seed)
        else:
            self._train, self._val = fold_indices(n, fold, folds, split_seed)

    @property
    def model_arguments(self) -> dict[str, Any]:
        """Constructor arguments that are filled in for a model that has parameters of these names."""
        return {
            "in_features": self._images.images[0].numel(),
            "num_classes": len(self._images.classes),
        }

    def describe(self) -> dict[str, Any]:
        """What a study keeps of its data: the sizes, and a digest of the split."""
        images = self._images
        return {
            "dataset": self.dataset,
            "n_train": len(self._train),
            "n_val": len(self._val),
            "classes": list(images.classes),
            "split_hash": split_hash(images.images, images.labels, self._train, self._val),
        }

    def join_val(self) -> None:
        """Adds the validation images to the training images. No validation images remain."""
        self._train = torch.cat([self._train, self._val]).sort().values
        self._val = self._val[:0]

    def train_dataloader(self) -> TensorLoader:
        return self._loader(self._train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> TensorLoader:
        return self._loader(self._val, VAL_BATCH_SIZE, shuffle=False)

    def _loader(self, side: torch.Tensor, batch_size: int, *, shuffle: bool) -> TensorLoader:
        # The images are on the model's device, so that no batch is copied to it.
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        images, labels = self._images.images[side].to(device), self._images.labels[side].to(device)
        share = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        return TensorLoader(images, labels, batch_size, shuffle=shuffle, drop_last=shuffle, share=share)
