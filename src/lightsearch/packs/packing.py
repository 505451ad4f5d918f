"""What a calibration found, and how trials are packed."""

from __future__ import annotations

from typing import NamedTuple


class Calibration(NamedTuple):
    """What a few epochs in a pack and alone have shown (see ``calibration.py``)."""

    speedup: float = 1.0
    """How many times as fast trials are in a pack as one after the other."""
    incompatibility: str | None = None
    """Why the trials cannot train in packs; None: they can."""
    proved: frozenset[str] = frozenset()
    """The structures of trials that train in packs as they do alone (see ``engines.structure``)."""


class Packing(NamedTuple):
    """How trials are packed."""

    size: int = 1
    """Trials that a worker trains together; 1: one by one."""
    proved: frozenset[str] = frozenset()
    """The structures of trials that train in packs; other trials train one by one in the same worker."""


ONE_BY_ONE = Packing()
"""No packs."""
