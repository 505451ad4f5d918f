"""Data that the members of a pack share: read, set up and held in memory once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightsearch.data.loader import TensorLoader
from lightsearch.flavours import based_on, flavour_of


def shared(data: Any) -> Any:
    """A data module that hands out the loaders of ``data``, the same ones to whoever asks."""
    flavour = flavour_of(type(data))
    assert flavour is not None
    return based_on(flavour.LightningDataModule, _Shared)(data)


class _Shared:
    """On top of a LightningDataModule."""

    trainer: Any

    def __init__(self, data: Any) -> None:
        super().__init__()
        self._data = data
        self._train: Any = None
        self._val: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_data":
            raise AttributeError(name)
        return getattr(self._data, name)

    def setup(self, stage: str) -> None:
        if self._train is None:
            self._data.trainer = self.trainer
            self._data.prepare_data()
            self._data.setup(stage)
            self._train, self._val = self._data.train_dataloader(), self._data.val_dataloader()
            if isinstance(self._val, TensorLoader):
                self._val = _Kept(self._val)

    def train_dataloader(self) -> Any:
        return self._train

    def val_dataloader(self) -> Any:
        return self._val


class _Kept:
    """A loader whose batches are the same every time, made once."""

    def __init__(self, loader: TensorLoader) -> None:
        self._batches = list(loader)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)
