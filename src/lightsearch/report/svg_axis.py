"""An axis of a small chart: where a value lies on it, and its round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DECADES = 2.0
"""Positive values that span this many powers of ten are on a logarithmic scale, if the chart lets the axis choose."""

MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """A scale from ``low`` to ``high``, and a little more on both sides."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    """Whether its numbers count something: 0, 1, 2, ..."""

    @classmethod
    def of(cls, values: Sequence[float], *, whole: bool = False, may_be_log: bool = False) -> Axis:
        """The axis that shows all these values."""
        low, high = min(values), max(values)
        return cls(low, high, may_be_log and low > 0 and math.log10(high / low) >= DECADES, whole)

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the beginning, 1 at the end. A value beyond is at that end."""
        first, last = self._ends
        return (min(max(self._scaled(value), first), last) - first) / (last - first)

    def ticks(self) -> list[float]:
        """A few round numbers within the scale."""
        first, last = self._ends
        if self.log:
            powers = range(math.ceil(first), math.floor(last) + 1)
            return [10.0**power for power in powers[:: -(-len(powers) // MOST_TICKS)]]
        rough = (last - first) / (MOST_TICKS - 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        if self.whole:
            step = max(1.0, round(step))
        beginning, end = math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9)
        return [float(f"{step * index:.10g}") for index in range(beginning, end + 1)]

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = self._scaled(self.low), self._scaled(self.high)
        pad = 0.04 * (high - low) or 0.05 * abs(low) or 0.5
        return low - pad, high + pad

    def _scaled(self, value: float) -> float:
        if not self.log:
            return value
        return math.log10(value) if value > 0 else -math.inf


def label(value: float) -> str:
    """A number of an axis: ``0.2``, ``2000``, ``20k``, ``2M``."""
    for least, unit, word in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if least <= abs(value) < 1e12:
            return f"{value / unit:g}{word}"
    return f"{value:g}"
