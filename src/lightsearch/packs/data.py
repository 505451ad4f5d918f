"""Data that the members of a pack share: set up and held in memory once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightsearch.data.loader import TensorLoader
from lightsearch.packs.random_state import RandomState


class SharedData:
    """A data module that is set up once. Every member gets a copy of it with the same loaders.

    A copy is of the user's own class and has its own ``trainer``, so that Lightning calls its hooks (batch transfers,
    for example) as for a trial that trains alone.

    Args:
        data: A LightningDataModule that is not set up yet.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._set_up_with: RandomState | None = None
        """The state of the random number generators after ``setup``."""
        self._train: Any = None
        self._val: Any = None

    def copy(self, *, own_loaders: bool = False) -> Any:
        """A data module for one more Trainer.

        Args:
            own_loaders: Whether the copy makes its own loaders, as a trial that trains alone does. All copies have to
                agree.
        """
        copy: Any = object.__new__(type(self._data))
        copy.__dict__.update(self._data.__dict__)

        # Functions, not methods: Lightning compares their code to see what a data module overrides.
        def prepare_data() -> None:
            """Part of ``setup``."""

        def setup(stage: str) -> None:
            self._set_up(copy.trainer, stage, own_loaders=own_loaders)
            copy.__dict__.update({**self._data.__dict__, **own, "trainer": copy.trainer})

        def teardown(stage: str) -> None:
            """Does nothing: other members still use the data."""

        own: dict[str, Any] = {"prepare_data": prepare_data, "setup": setup, "teardown": teardown}
        if not own_loaders:
            own |= {"train_dataloader": lambda: self._train, "val_dataloader": lambda: self._val}
        copy.__dict__.update(own)
        return copy

    def _set_up(self, trainer: Any, stage: str, *, own_loaders: bool) -> None:
        if self._set_up_with is not None:
            if own_loaders:
                self._set_up_with.restore()  # as if it had been set up again
            return
        self._data.trainer = trainer
        self._data.prepare_data()
        self._data.setup(stage)
        if not own_loaders:
            self._train, self._val = self._data.train_dataloader(), self._data.val_dataloader()
            if isinstance(self._val, TensorLoader):
                self._val = _CachedLoader(self._val)
        if trainer is not None:  # a latency is measured without a Trainer; the loaders know no device then
            self._set_up_with = RandomState()


class _CachedLoader:
    """A loader whose batches are made once."""

    def __init__(self, loader: TensorLoader) -> None:
        self._batches = list(loader)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)
