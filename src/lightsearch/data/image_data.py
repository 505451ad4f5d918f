"""The data of a search: training and validation images. It has no test images, and no way to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule

from lightsearch.data.loader import TensorLoader
from lightsearch.data.sources import Images, read_images
from lightsearch.data.split import split_hash, split_indices

VAL_BATCH_SIZE = 1024
"""Validation needs no gradients, so its batches can be larger; fewer of them cost less."""


class ImageData(LightningDataModule):
    """Images in memory, split once and for all by the study's seed.

    Args:
        dataset: ``digits``, ``mnist``, ``fashion_mnist``, ``kmnist``, ``cifar10`` or ``folder``.
        batch_size: Images a training batch; where a trial has several devices, on each of them.
        val_size: Images to validate on, or their share if below 1.
        data_dir: Folder of the data files (``digits`` needs none).
        split_seed: Seed of the split; the study's, so that all its trials share one split.
        image_size: Height and width to which the images of a ``folder`` are scaled.

    Raises:
        UserError: if the data cannot be had or split.
    """

    def __init__(
        self,
        dataset: str = "digits",
        batch_size: int = 64,
        val_size: int | float = 0.2,
        data_dir: str = "data",
        split_seed: int = 0,
        image_size: int | None = None,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.data_dir = data_dir
        self.image_size = image_size
        self._images: Images = read_images(dataset, Path(data_dir), train=True, image_size=image_size)
        self._train, self._val = split_indices(len(self._images.labels), val_size, split_seed)

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What a model must know of the data: arguments of these names are filled in."""
        return {
            "in_features": self._images.images[0].numel(),
            "num_classes": len(self._images.classes),
        }

    def describe(self) -> dict[str, Any]:
        """What a study keeps of its data: the sizes and the digest of its split."""
        images = self._images
        return {
            "dataset": self.dataset,
            "n_train": len(self._train),
            "n_val": len(self._val),
            "classes": list(images.classes),
            "split_hash": split_hash(images.images, images.labels, self._train, self._val),
        }

    def join_val(self) -> None:
        """Trains on the validation images as well, for good: nothing is left to validate on."""
        self._train = torch.cat([self._train, self._val]).sort().values
        self._val = self._val[:0]

    def train_dataloader(self) -> TensorLoader:
        return self._loader(self._train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> TensorLoader:
        return self._loader(self._val, VAL_BATCH_SIZE, shuffle=False)

    def _loader(self, side: torch.Tensor, batch_size: int, *, shuffle: bool) -> TensorLoader:
        # The images live where the model does, so that no batch crosses to the device.
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        images, labels = self._images.images[side].to(device), self._images.labels[side].to(device)
        share = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        return TensorLoader(images, labels, batch_size, shuffle=shuffle, drop_last=shuffle, share=share)
