"""Data that the members of a pack share: read, set up and held in memory once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightsearch.data.loader import TensorLoader
from lightsearch.packs.random_state import RandomState


class SharedData:
    """A data module that is set up once, and of which every member has a copy with the same loaders.

    A copy is of the user's own class and has its own ``trainer``, so that Lightning calls its hooks (batch transfers,
    for example) as it does for a trial that trains alone.

    Args:
        data: A LightningDataModule that is not set up yet.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._set_up_with: RandomState | None = None
        """The random numbers after it was set up."""
        self._train: Any = None
        self._val: Any = None

    def copy(self, *, own_loaders: bool = False) -> Any:
        """A data module for one more Trainer.

        Args:
            own_loaders: Whether it makes loaders of its own, as a trial that trains alone does; all copies alike.
        """
        copy: Any = object.__new__(type(self._data))
        copy.__dict__.update(self._data.__dict__)

        # Functions, no methods: Lightning looks at their code to see what a data module overrides.
        def prepare_data() -> None:
            """Part of ``setup``."""

        def setup(stage: str) -> None:
            self._set_up(copy.trainer, stage, own_loaders=own_loaders)
            copy.__dict__.update({**self._data.__dict__, **own, "trainer": copy.trainer})

        def teardown(stage: str) -> None:
            """Others still use what it would tear down."""

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
                self._val = _Kept(self._val)
        if trainer is not None:  # a latency is measured before there is one: then the loaders know no device
            self._set_up_with = RandomState()


class _Kept:
    """A loader whose batches are the same every time, made once."""

    def __init__(self, loader: TensorLoader) -> None:
        self._batches = list(loader)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)
