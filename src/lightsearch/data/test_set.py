"""The sealed test set. Only the evaluation imports this file; a test checks that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lightsearch.compat.lightning_package import is_lightning, overrides
from lightsearch.data.image_data import VAL_BATCH_SIZE, ImageData
from lightsearch.data.loader import TensorLoader
from lightsearch.data.sources import read_images
from lightsearch.errors import Mistake, Untestable


def open_test_set(data: Any) -> Any:
    """Gives a data module its test loaders: its own, or for ``ImageData`` those of the test images.

    The Trainer gets the same data module, so that all of its hooks run in a test.

    Args:
        data: A LightningDataModule, or a LightningModule with loaders of its own. Nothing is loaded here.

    Returns:
        The same object. Its ``test_dataloader`` raises ``Untestable`` if there are no loaders.

    Raises:
        Untestable: if it has no ``test_dataloader``.
    """
    if overrides(data, "test_dataloader"):
        loaders: Callable[[], Any] = data.test_dataloader
    elif isinstance(data, ImageData):
        loaders = partial(_images, data)
    else:
        raise _no_test_set(data)

    def test_dataloader() -> Any:
        try:
            found = loaders()
        except NotImplementedError:
            found = None
        if found is None or (isinstance(found, list | tuple | dict) and not found):
            raise _no_test_set(data)
        return found

    data.test_dataloader = test_dataloader
    return data


def _no_test_set(data: Any) -> Untestable:
    section = "model" if is_lightning(type(data), "LightningModule") else "data"
    hint = "has no test set; give it a test_dataloader"
    return Untestable(Mistake(f"{section}.class_path", type(data).__name__, hint))


def _images(data: ImageData) -> TensorLoader:
    images = read_images(data.dataset, Path(data.data_dir), train=False, image_size=data.image_size)
    return TensorLoader(images.images, images.labels, VAL_BATCH_SIZE)
