"""``pytorch_lightning`` and ``lightning.pytorch``: two copies of one library.

The Trainer of one refuses the modules of the other.
"""

from __future__ import annotations

import functools
import importlib
import operator
from types import ModuleType
from typing import Any

NAMES = ("pytorch_lightning", "lightning.pytorch")


def package_of(cls: type) -> ModuleType | None:
    """The copy that a class derives from; None if it is neither's."""
    for base in cls.__mro__:
        for name in NAMES:
            if base.__module__.startswith(f"{name}."):
                return importlib.import_module(name)
    return None


def is_lightning(cls: type, kind: str) -> bool:
    """Whether a class is a ``LightningModule``, a ``LightningDataModule`` or a ``loggers.Logger`` of either copy."""
    lightning = package_of(cls)
    return lightning is not None and issubclass(cls, operator.attrgetter(kind)(lightning))


def package_of_model(model: object) -> ModuleType:
    """The copy that a LightningModule is of.

    Raises:
        TypeError: if it is no LightningModule.
    """
    lightning = package_of(type(model))
    if lightning is None:
        raise TypeError(f"{type(model).__name__} is no LightningModule")
    return lightning


@functools.cache
def based_on(base: type[Any], mixin: type[Any]) -> Any:
    """The class ``mixin`` on top of a class of one of the copies; a Trainer knows its own kinds of callbacks alone."""
    return type(mixin.__name__, (mixin, base), {"__module__": mixin.__module__})


def data_for(lightning: ModuleType, data: Any) -> Any:
    """A data module as a Trainer of ``lightning`` takes it.

    One of the other copy gets a second base, the class that the Trainer looks for. It stays the same object: its
    hooks, its loaders and whatever else a module reads of ``self.trainer.datamodule`` are its own.
    """
    if not isinstance(data, lightning.LightningDataModule):
        cls: Any = type(data)
        data.__class__ = based_on(lightning.LightningDataModule, cls)
    return data


def overrides(thing: Any, hook: str) -> bool:
    """Whether a LightningModule or a LightningDataModule, or a class of them, has a hook of its own.

    Args:
        thing: The class, or an object of it (which may have the hook as an attribute).
        hook: ``test_step``, ``test_dataloader``, ...
    """
    cls = thing if isinstance(thing, type) else type(thing)
    lightning = package_of(cls)
    kind = "LightningModule" if is_lightning(cls, "LightningModule") else "LightningDataModule"
    own = getattr(thing, hook, None)
    return getattr(own, "__func__", own) is not getattr(getattr(lightning, kind), hook, None)
