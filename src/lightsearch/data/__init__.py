"""Images in memory: data sets, one fixed split per study, loaders without Python per image, the sealed test set."""

from lightsearch.data.image_data import ImageData

__all__ = ["ImageData"]
