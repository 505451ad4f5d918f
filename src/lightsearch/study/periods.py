"""When a trial that pauses has run: Optuna keeps its last start only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial

PERIODS = "periods"
"""The attribute of a trial with its periods before the last one: a list of starts and ends, in seconds since 1970."""


def periods_of(trial: FrozenTrial) -> list[tuple[datetime, datetime]]:
    """The periods in which a trial ran until it paused, in UTC; without the one in which it runs or has ended."""
    stored = trial.user_attrs.get(PERIODS)
    try:
        return [_in_utc(period) for period in stored] if isinstance(stored, list) else []
    except (TypeError, ValueError, OverflowError, OSError):  # another program may use the same name
        return []


def periods_until_now(trial: FrozenTrial) -> list[list[float]]:
    """The attribute of a running trial that pauses now."""
    earlier = trial.user_attrs.get(PERIODS, [])
    if trial.datetime_start is None:
        return [*earlier]
    return [*earlier, [round(trial.datetime_start.timestamp(), 3), round(time.time(), 3)]]


def _in_utc(period: Sequence[Any]) -> tuple[datetime, datetime]:
    began, ended = (datetime.fromtimestamp(float(seconds), UTC) for seconds in period)
    return began, ended
