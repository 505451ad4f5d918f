"""The sealed test set. Only the evaluation imports this file (a test holds it to that)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, NamedTuple

from lightsearch.data.image_data import VAL_BATCH_SIZE, ImageData
from lightsearch.data.loader import TensorLoader
from lightsearch.data.sources import read_images
from lightsearch.errors import Mistake, UserError


class Samples(NamedTuple):
    """The test batches of a study's data."""

    loader: Any
    """Yields them."""
    n: int | None
    """How many samples there are, if that is known."""


def open_test_set(data_class: Any, arguments: dict[str, Any]) -> Samples:
    """Loads the test samples of a study's data: its own images, or what a data module's ``test_dataloader`` gives.

    Args:
        data_class: The study's data class.
        arguments: Its constructor arguments.

    Raises:
        UserError: if the data cannot be had, or there is no test set.
    """
    if issubclass(data_class, ImageData):
        return _images(data_class, arguments)
    data = data_class(**arguments)
    data.prepare_data()
    data.setup("test")
    try:
        loader = data.test_dataloader()
    except NotImplementedError:
        loader = None
    if loader is None:
        raise UserError(Mistake("data.class_path", data_class.__name__, "has no test set; give it a test_dataloader"))
    try:
        return Samples(loader, len(loader.dataset))
    except (AttributeError, TypeError):
        return Samples(loader, None)


def _images(data_class: Any, arguments: dict[str, Any]) -> Samples:
    given = inspect.signature(data_class).bind(**arguments)
    given.apply_defaults()
    images = read_images(
        given.arguments["dataset"],
        Path(given.arguments["data_dir"]),
        train=False,
        image_size=given.arguments["image_size"],
    )
    return Samples(TensorLoader(images.images, images.labels, VAL_BATCH_SIZE), len(images.labels))
