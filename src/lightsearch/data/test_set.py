"""The sealed test set. Only the evaluation imports this file (a test holds it to that)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from lightsearch.data.image_data import VAL_BATCH_SIZE, ImageData
from lightsearch.data.loader import TensorLoader
from lightsearch.data.sources import read_images
from lightsearch.errors import UserError


def open_test_set(data_class: type, arguments: dict[str, Any]) -> TensorLoader:
    """Loads the test images of a study's data.

    Args:
        data_class: The study's data class.
        arguments: Its constructor arguments.

    Raises:
        UserError: if the data cannot be had.
    """
    if not issubclass(data_class, ImageData):
        raise UserError(f"{data_class.__name__} has no test set that lightsearch can open")
    given = inspect.signature(data_class).bind(**arguments)
    given.apply_defaults()
    images = read_images(
        given.arguments["dataset"],
        Path(given.arguments["data_dir"]),
        train=False,
        image_size=given.arguments["image_size"],
    )
    return TensorLoader(images.images, images.labels, VAL_BATCH_SIZE)
