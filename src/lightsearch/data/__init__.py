"""Images in memory: data sets, one fixed split a study, loaders without per-image Python, and the sealed test set."""

from lightsearch.data.image_data import ImageData

__all__ = ["ImageData"]
