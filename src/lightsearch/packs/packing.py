"""What proof and timing found, and how trials are packed."""

from __future__ import annotations

from typing import NamedTuple

MIN_SPEEDUP = 1.2
"""Packs are chosen by default if they are at least this many times as fast, ..."""
DOUBLING = 15
"""... and more, where a scheduler learns from every epoch: each this many trials that train at a time make a search
need as many epochs more as it needs with one. The rate is that of simulated searches (``docs/search-efficiency.md``).
"""


def worthwhile_speedup(workers: int, size: int, *, learns: bool) -> float:
    """The speedup from which packs pay.

    Args:
        workers: Worker processes at a time.
        size: Trials per pack.
        learns: Whether a scheduler decides by what all trials have shown, so that fewer at a time are better chosen.
    """
    wider = (DOUBLING + workers * size) / (DOUBLING + workers)
    return max(MIN_SPEEDUP, wider) if learns else MIN_SPEEDUP


class Proof(NamedTuple):
    """Which trials train in packs as they do alone (see ``calibration.py``)."""

    incompatibility: str | None = None
    """Why the trials cannot train in packs; None: they can."""
    proved: frozenset[str] = frozenset()
    """The structures of trials that train in packs as they do alone (see ``engines.structure``)."""
    start_seconds: float = 0.0
    """Seconds that a trial alone takes until its first epoch."""


class Timing(NamedTuple):
    """What a few epochs in a pack and alone have shown (see ``timing.py``)."""

    speedup: float = 1.0
    """How many times as fast trials are in a pack as one after the other."""
    failure: str | None = None
    """How a pack failed; None: none did."""


class Packing(NamedTuple):
    """How trials are packed."""

    size: int = 1
    """Trials that a worker trains together; 1: one by one."""
    proved: frozenset[str] = frozenset()
    """The structures of trials that train in packs; other trials train one by one in the same worker."""
    reason: str | None = None
    """The decision and its reason, in words; None: packs were not in question."""


ONE_BY_ONE = Packing()
"""No packs."""
