"""What a calibration found, and how trials are packed."""

from __future__ import annotations

from typing import NamedTuple


class Calibration(NamedTuple):
    """What a few epochs in a pack and alone have shown (see ``calibration.py``)."""

    gain: float = 1.0
    """How many times as fast the trials were in a pack as one after the other."""
    incompatibility: str | None = None
    """Why they do not train in packs; None: they do."""
    proved: frozenset[str] = frozenset()
    """The forms of trials that train in packs as they do alone (see ``engines.form``)."""


class Packing(NamedTuple):
    """How trials are packed."""

    size: int = 1
    """Trials that a worker trains together; 1: one by one."""
    proved: frozenset[str] = frozenset()
    """The forms of trials that do; others train one by one in the same worker."""


ONE_BY_ONE = Packing()
