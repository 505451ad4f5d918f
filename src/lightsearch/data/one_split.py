"""One split per study: a data module draws random numbers in ``setup`` from the study's seed, not from a trial's."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng

from lightsearch.compat.lightning_package import overrides


def split_from(seed: int, data: Any) -> Any:
    """Makes a data module draw the same numbers in every ``setup``: in trials, in validations, in tests.

    Otherwise, ``random_split`` without a generator of its own would give each trial another split, and a test would
    contain samples that the trial was trained on. The caller's random numbers continue as if nothing had been drawn.

    Args:
        seed: The study's seed.
        data: A LightningDataModule, or a LightningModule with loaders of its own, whose ``setup`` has not run yet.

    Returns:
        The same object.
    """
    if not overrides(data, "setup"):
        return data
    own = data.setup

    @functools.wraps(own)
    def setup(*args: Any, **keywords: Any) -> Any:
        with drawn_from(seed):
            return own(*args, **keywords)

    data.setup = setup
    return data


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Within the context, random numbers of Python, numpy and torch come from ``seed``. Afterwards they continue as
    before."""
    with isolate_rng(include_cuda=torch.cuda.is_initialized()):  # type: ignore[no-untyped-call]
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield
