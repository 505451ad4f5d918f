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


def flavour_of(cls: type) -> ModuleType | None:
    """The copy that a class derives from; None if it is neither's."""
    for base in cls.__mro__:
        for name in NAMES:
            if base.__module__.startswith(f"{name}."):
                return importlib.import_module(name)
    return None


def is_lightning(cls: type, kind: str) -> bool:
    """Whether a class is a ``LightningModule``, a ``LightningDataModule`` or a ``loggers.Logger`` of either copy."""
    flavour = flavour_of(cls)
    return flavour is not None and issubclass(cls, operator.attrgetter(kind)(flavour))


def of_model(model: object) -> ModuleType:
    """The copy that a LightningModule is of.

    Raises:
        TypeError: if it is no LightningModule.
    """
    flavour = flavour_of(type(model))
    if flavour is None:
        raise TypeError(f"{type(model).__name__} is no LightningModule")
    return flavour


@functools.cache
def based_on(base: type, mixin: type) -> Any:
    """The class ``mixin`` on top of a class of one of the copies; a Trainer knows its own kinds of callbacks alone."""
    return type(mixin.__name__, (mixin, base), {"__module__": mixin.__module__})


def data_for(flavour: ModuleType, data: Any) -> Any:
    """A data module as a Trainer of ``flavour`` takes it."""
    if flavour_of(type(data)) is flavour:
        return data
    return based_on(flavour.LightningDataModule, _HandedOn)(data)


class _HandedOn:
    """A data module of the other copy."""

    trainer: Any

    def __init__(self, data: Any) -> None:
        super().__init__()
        self._data = data

    def prepare_data(self) -> None:
        self._data.prepare_data()

    def setup(self, stage: str) -> None:
        self._data.trainer = self.trainer
        self._data.setup(stage)

    def teardown(self, stage: str) -> None:
        self._data.teardown(stage)

    def train_dataloader(self) -> Any:
        return self._data.train_dataloader()

    def val_dataloader(self) -> Any:
        return self._data.val_dataloader()

    def state_dict(self) -> Any:
        return self._data.state_dict()

    def load_state_dict(self, state_dict: Any) -> None:
        self._data.load_state_dict(state_dict)
