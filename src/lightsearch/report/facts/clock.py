"""The time of a search."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from lightsearch.report.facts.row import Row

MIN_PAUSE_SECONDS = 5.0
"""A restarted search takes seconds to begin; a shorter gap is a worker between two trials."""
MIN_PAUSE_SHARE = 0.02
"""A pause is at least this share of the time before it."""
MAX_UNIT_SECONDS, MAX_UNIT_MINUTES = 300, 10_800
"""Up to these durations, in seconds, an axis is in seconds and in minutes."""


class Clock:
    """Seconds since the search began, without the pauses in which no trial ran.

    Args:
        rows: The trials.
        now: The time of the report, at which running trials are cut.
    """

    def __init__(self, rows: Iterable[Row], now: datetime) -> None:
        spans = sorted((started, ended or now) for row in rows for started, ended in row.spans)
        self.pauses: list[tuple[datetime, float]] = []
        """The end of each pause, and the length of all pauses so far, in seconds."""
        self.began = spans[0][0] if spans else now
        until, paused = self.began, 0.0
        for started, ended in spans:
            gap = (started - until).total_seconds()
            if gap > max(MIN_PAUSE_SECONDS, MIN_PAUSE_SHARE * (until - self.began).total_seconds()):
                paused += gap
                self.pauses.append((started, paused))
            until = max(until, ended)
        self.seconds = (until - self.began).total_seconds() - paused
        """The duration of the search."""

    def __call__(self, time: datetime) -> float:
        """A time of day as seconds of search."""
        paused = 0.0
        for ended, so_far in self.pauses:
            if time < ended:
                break
            paused = so_far
        return max(0.0, (time - self.began).total_seconds() - paused)

    @property
    def unit(self) -> tuple[float, str]:
        """The unit of an axis over the search: its seconds, and its name."""
        if self.seconds < MAX_UNIT_SECONDS:
            return 1.0, "seconds"
        return (60.0, "minutes") if self.seconds < MAX_UNIT_MINUTES else (3600.0, "hours")
