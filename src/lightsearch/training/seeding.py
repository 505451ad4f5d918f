"""Random numbers of a fit: every epoch is seeded from the trial's seed and its own number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback
from torch.utils.data import DataLoader

from lightsearch.compat.trainer import restart_training_iterators, training_loaders
from lightsearch.training.epoch_log import validates_within_epochs

VALIDATION = 1 << 62
"""Tells the seed of an epoch's validation from that of its training."""


def seed_epoch(seed: int) -> None:
    """Seeds everything that draws random numbers in this process: torch with its GPUs, numpy, and Python itself.

    Args:
        seed: Not negative, below 2**64.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])  # numpy's own seeds are below 2**32


class SeedEpochs(Callback):
    """Seeds every epoch from (seed, epoch): a resumed fit goes on as if it had never stopped.

    The validation at an epoch's end is seeded as well: in a pack others have had their turns before it.

    Args:
        seed: The trial's seed.
        epoch_seeds: Seeds of the first epochs, where they are to be those of a pack.
    """

    def __init__(self, seed: int, epoch_seeds: Sequence[int] = ()) -> None:
        self.seed = seed
        self.given = epoch_seeds
        self.epoch_seeds: list[int] = []
        """Each epoch's seed so far; in a pack it is its senior's, whose order of batches all members share."""
        self.in_pack = False
        """Whether an epoch was trained in a pack."""
        self._first = True

    def epoch_seed(self, epoch: int) -> int:
        """The seed of an epoch, where no pack decides it."""
        return self.given[epoch] if epoch < len(self.given) else (self.seed << 16) + epoch

    def follow(self, seed: int) -> None:
        """Takes the order of batches of a pack's senior for the epoch that has begun."""
        self.epoch_seeds[-1] = seed
        self.in_pack = True

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        epoch = trainer.current_epoch
        self.epoch_seeds[epoch:] = [self.epoch_seed(epoch)]
        seed_epoch(self.epoch_seed(epoch))
        if self._first:  # Lightning has made this epoch's iterators already; it makes the others' after this
            if epoch > 0 and any(getattr(loader, "num_workers", 0) for loader in training_loaders(trainer)):
                restart_training_iterators(trainer)  # its processes have drawn their seeds and batches before
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
    """Draws the numbers that the iterators of the training loaders draw when they are made.

    So an epoch's batches come in one order, whether its seed was set before its iterators were made or after.
    """
    for loader in training_loaders(trainer):
        if isinstance(loader, DataLoader):
            torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
