"""``pytorch_lightning`` and ``lightning.pytorch``: two copies of one library, which the user's classes may be of.

The Trainer of one copy refuses the modules of the other.
"""

from __future__ import annotations

import functools
import importlib
import operator
from types import ModuleType
from typing import Any

NAMES = ("pytorch_lightning", "lightning.pytorch")


def package_of(cls: type) -> ModuleType | None:
    """The copy that a class derives from; None: neither."""
    for base in cls.__mro__:
        for name in NAMES:
            if base.__module__.startswith(f"{name}."):
                return importlib.import_module(name)
    return None


def is_lightning(cls: type, base: str) -> bool:
    """Whether a class derives from a class of either copy.

    Args:
        cls: The class.
        base: ``LightningModule``, ``LightningDataModule``, ``loggers.Logger`` or ``callbacks.Callback``.
    """
    lightning = package_of(cls)
    return lightning is not None and issubclass(cls, operator.attrgetter(base)(lightning))


def package_of_model(model: object) -> ModuleType:
    """The copy that a model derives from.

    Raises:
        TypeError: if it is not a LightningModule.
    """
    lightning = package_of(type(model))
    if lightning is None:
        raise TypeError(f"{type(model).__name__} is no LightningModule")
    return lightning


@functools.cache
def based_on(base: type[Any], mixin: type[Any]) -> Any:
    """The class ``mixin`` on a base class of one copy: a Trainer accepts callbacks and loggers of its own copy only."""
    return type(mixin.__name__, (mixin, base), {"__module__": mixin.__module__})


def data_for(lightning: ModuleType, data: Any) -> Any:
    """A data module that a Trainer of ``lightning`` accepts.

    A data module of the other copy gets a second base class, the one that the Trainer checks for. It stays the same
    object: its hooks, its loaders and what a module reads of ``self.trainer.datamodule`` stay its own. A module that
    has loaders of its own needs no data module: the answer is None.
    """
    if is_lightning(type(data), "LightningModule"):
        return None
    if not isinstance(data, lightning.LightningDataModule):
        cls: Any = type(data)
        data.__class__ = based_on(lightning.LightningDataModule, cls)
    return data


def callback_for(lightning: ModuleType, callback: Any) -> Any:
    """A callback that a Trainer of ``lightning`` knows as what it is: a checkpoint, a progress bar, early stopping.

    A callback of the other copy stays the same object. If its class is the other copy's own, it becomes the class of
    the same name; a class of the user's gets that class as a second base.
    """
    cls: Any = type(callback)
    base = next(one for one in cls.__mro__ if one.__module__.startswith(tuple(f"{name}." for name in NAMES)))
    (other,) = [name for name in NAMES if base.__module__.startswith(f"{name}.")]
    if other == lightning.__name__:
        return callback
    module = importlib.import_module(lightning.__name__ + base.__module__.removeprefix(other))
    twin = getattr(module, base.__name__)
    callback.__class__ = twin if cls is base else based_on(twin, cls)
    return callback


def overrides(thing: Any, hook: str) -> bool:
    """Whether a LightningModule or a LightningDataModule, or a class of either, overrides a hook.

    Args:
        thing: The class, or an object, which may have the hook as an attribute.
        hook: ``test_step``, ``test_dataloader``, ...
    """
    cls = thing if isinstance(thing, type) else type(thing)
    lightning = package_of(cls)
    base = "LightningModule" if is_lightning(cls, "LightningModule") else "LightningDataModule"
    own = getattr(thing, hook, None)
    return getattr(own, "__func__", own) is not getattr(getattr(lightning, base), hook, None)
