"""The record of the widenings of a study's space."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypedDict, cast

ATTR = "widened"
"""The study's user attribute with its widenings."""


class WidenedSpace(TypedDict):
    """One widening."""

    time: float
    """When, in seconds since 1970."""
    trials: int
    """The number of trials that the study had. They are numbered from 0, and were sampled in the space before."""
    changes: list[str]
    """What changed, one line each."""
    before: dict[str, Any]
    """The space before, as in the fingerprint."""
    after: dict[str, Any]
    """The space since then."""


def widenings(attrs: Mapping[str, Any]) -> list[WidenedSpace]:
    """The widenings of a study, the first one first.

    Args:
        attrs: The study's user attributes.
    """
    return cast(list[WidenedSpace], attrs.get(ATTR, []))


def describe(widened: WidenedSpace) -> str:
    """One widening in a line: when, after how many trials, and what changed."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(widened["time"]))
    changes = [change.replace(" in the study, ", " -> ").removesuffix(" in the file") for change in widened["changes"]]
    return f"{when}, after {widened['trials']} trials: {'; '.join(changes)}"


def earlier_space(attrs: Mapping[str, Any], space: object) -> str | None:
    """A line that says that a study file has a space from before a widening; None if it does not.

    Args:
        attrs: The study's user attributes.
        space: The space of the study file, as in the fingerprint.
    """
    later = [widened for widened in widenings(attrs) if widened["before"] == space]
    return f"This is the space from before it was widened ({describe(later[-1])})." if later else None
