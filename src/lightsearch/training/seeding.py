"""Random numbers of a fit: every epoch is seeded from the trial's seed and the epoch's number."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader

from lightsearch.compat.trainer import restart_training_iterators, training_loaders
from lightsearch.training.epoch_log import validates_within_epochs

SEED_VARIABLES = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")
"""What Lightning's ``seed_everything`` writes to the environment."""

VALIDATION = 1 << 62
"""Makes the seed of an epoch's validation differ from that of its training."""


def seed_epoch(seed: int) -> None:
    """Seeds every generator of this process: torch with its GPUs, numpy, and Python.

    Args:
        seed: Not negative, below 2**64.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])  # numpy takes integers below 2**32


def seed_generators(seed: int) -> None:
    """Seeds the generators as ``seed_everything`` does; the environment does not change.

    Args:
        seed: Not negative, below 2**32.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextlib.contextmanager
def keep_random_state() -> Iterator[None]:
    """Restores the generators, and what ``seed_everything`` writes to the environment, on leaving."""
    before = {name: os.environ.get(name) for name in SEED_VARIABLES}
    try:
        with isolate_rng(include_cuda=bool(torch.cuda.is_initialized())):  # type: ignore[no-untyped-call]
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class SeedEpochs(Callback):
    """Seeds every epoch from (seed, epoch), so that a resumed fit equals an uninterrupted one.

    The validation at the end of an epoch is seeded as well, because other members of a pack may run before it.

    Args:
        seed: The trial's seed.
        epoch_seeds: Seeds of the first epochs, to repeat a trial of a pack.
    """

    def __init__(self, seed: int, epoch_seeds: Sequence[int] = ()) -> None:
        self.seed = seed
        self.given = epoch_seeds
        self.epoch_seeds: list[int] = []
        """The seed of each epoch so far. In a pack it is the leader's, whose order of batches all members share."""
        self.in_pack = False
        """Whether an epoch was trained in a pack."""
        self._first = True

    def epoch_seed(self, epoch: int) -> int:
        """The seed of an epoch that is not trained in a pack."""
        return self.given[epoch] if epoch < len(self.given) else (self.seed << 16) + epoch

    def follow(self, seed: int) -> None:
        """Records that the current epoch has the order of batches of a pack's leader."""
        self.epoch_seeds[-1] = seed
        self.in_pack = True

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        epoch = trainer.current_epoch
        self.epoch_seeds[epoch:] = [self.epoch_seed(epoch)]
        seed_epoch(self.epoch_seed(epoch))
        if self._first:  # Lightning has made the iterators of the first epoch already
            if epoch > 0 and any(getattr(loader, "num_workers", 0) for loader in training_loaders(trainer)):
                restart_training_iterators(trainer)  # its worker processes have drawn seeds and batches
            else:
                draw_base_seeds(trainer)
        self._first = False

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self.epoch_seeds and not trainer.sanity_checking and not validates_within_epochs(trainer):
            seed_epoch(self.epoch_seeds[-1] ^ VALIDATION)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch_seeds": self.epoch_seeds, "in_pack": self.in_pack}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch_seeds, self.in_pack = list(state_dict["epoch_seeds"]), state_dict["in_pack"]


def draw_base_seeds(trainer: Any) -> None:
    """Draws the numbers that the iterators of the training loaders draw when they are created.

    The order of an epoch's batches is then the same whether its seed was set before or after their creation.
    """
    for loader in training_loaders(trainer):
        if isinstance(loader, DataLoader):
            torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
