"""Whether a running trial has lost its coordinator: it is dead, or its lease has ended."""

from __future__ import annotations

from typing import Any

from lightsearch.machine.owner import Owner

LEASE_SECONDS = 120.0
"""A trial whose lease was not renewed for so long has lost its owner, wherever that was."""

RENEWAL_SECONDS = 20.0
"""How often a coordinator renews the leases of its trials."""


def is_stale(attrs: dict[str, Any], now: float) -> bool:
    """Whether a RUNNING trial has lost its owner: that one is provably dead, or its lease has ended.

    Args:
        attrs: The trial's user attributes (``owner``, ``lease``).
        now: The storage's time, seconds since 1970.
    """
    if "owner" not in attrs:
        return False  # another program's trial, in the same study
    return Owner.model_validate(attrs["owner"]).is_dead() or now > float(attrs.get("lease", 0.0))
