"""``pytorch_lightning`` and ``lightning.pytorch``: two copies of one library.

The Trainer of one refuses the modules of the other.
"""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = ("pytorch_lightning", "lightning.pytorch")


def flavour_of(cls: type) -> ModuleType | None:
    """The copy that a class derives from; None if it is neither's."""
    for base in cls.__mro__:
        for name in NAMES:
            if base.__module__.startswith(f"{name}."):
                return importlib.import_module(name)
    return None


def is_lightning(cls: type, kind: str) -> bool:
    """Whether a class is a ``LightningModule`` or a ``LightningDataModule`` (``kind``) of either copy."""
    flavour = flavour_of(cls)
    return flavour is not None and issubclass(cls, getattr(flavour, kind))
