"""The state of the random number generators of torch, numpy and Python."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


class RandomState:
    """The state of the global generators at the moment of construction.

    Args:
        device: A device whose generator is included, besides the CPU's.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device if device is not None and device.type == "cuda" else None
        self._torch = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(self._device) if self._device is not None else None
        self._python = random.getstate()
        self._numpy: Any = np.random.get_state()

    def restore(self) -> None:
        """Sets the generators to this state."""
        torch.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)  # type: ignore[arg-type]  # there is one
        random.setstate(self._python)
        np.random.set_state(self._numpy)

    def is_current(self) -> bool:
        """Whether the generators are in this state: no number has been drawn since."""
        now = RandomState(self._device)
        same = torch.equal(now._torch, self._torch) and now._python == self._python
        if self._cuda is not None and now._cuda is not None:
            same = same and torch.equal(now._cuda, self._cuda)
        _, keys, *rest = self._numpy
        return bool(same and np.array_equal(now._numpy[1], keys) and list(now._numpy[2:]) == rest)
