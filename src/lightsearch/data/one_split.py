"""One split a study: what a data module draws while it is set up comes from the study's seed, not from a trial's."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng


def split_from(seed: int, data: Any) -> Any:
    """Has a data module draw the same numbers whenever it is set up, in a trial, in a validation, in a test.

    ``random_split`` without a generator of its own would give each trial another split, and the test samples that a
    trial has trained on. Whoever sets it up keeps the random numbers that come next.

    Args:
        seed: The study's.
        data: A LightningDataModule that is not set up yet.
    """
    own = data.setup

    @functools.wraps(own)
    def setup(*args: Any, **keywords: Any) -> Any:
        with drawn_from(seed):
            return own(*args, **keywords)

    data.setup = setup
    return data


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Python's, numpy's and torch's random numbers come from ``seed`` meanwhile, and go on as before afterwards."""
    with isolate_rng(include_cuda=torch.cuda.is_initialized()):  # type: ignore[no-untyped-call]
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield
