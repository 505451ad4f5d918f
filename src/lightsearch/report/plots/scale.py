"""A parameter as an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightsearch.display.wording import describe_param
from lightsearch.report.facts.facts import Facts
from lightsearch.report.plots.plot import shorten, text

MAX_LETTERS = 14
"""Longer names of choices are cut on an axis."""


@dataclass(frozen=True)
class Scale:
    """A parameter as an axis: the positions of its values, and the ticks."""

    name: str
    categorical: bool
    log: bool
    low: float
    high: float
    choices: list[str]

    def position(self, value: Any) -> float:
        """A value's position: choices are at 0, 1, 2, ..., numbers are as they are, or log10 on a logarithmic scale."""
        if self.categorical:
            return float(self.choices.index(str(value)))
        return math.log10(value) if self.log else float(value)

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last position of the axis."""
        if self.categorical:
            return -0.5, len(self.choices) - 0.5
        low, high = self.position(self.low), self.position(self.high)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Positions and words of the ticks. Parallel coordinates show the words as they are, other axes as markup."""
        if self.categorical:
            return [float(i) for i in range(len(self.choices))], [shorten(one, MAX_LETTERS) for one in self.choices]
        low, high = self.ends
        if not self.log:
            positions = [low + (high - low) * i / 4 for i in range(5)]
            return positions, [_number(position) for position in positions]
        values = [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
        if len(values) < 3 and self.low >= 1:
            values = [2.0**power for power in range(math.ceil(math.log2(self.low)), int(math.log2(self.high)) + 1)]
        elif len(values) < 3:
            values = [self.low * (self.high / self.low) ** (i / 4) for i in range(5)]
        return [math.log10(value) for value in values], [_number(value) for value in values]

    def axis(self) -> dict[str, Any]:
        """The axis of a plot, ending at the bounds of the space."""
        low, high = self.ends
        pad = 0 if self.categorical else 0.03 * (high - low)
        positions, words = self.ticks
        return {
            "title": {"text": text(self.name)}, "range": [low - pad, high + pad], "tickmode": "array",
            "tickvals": positions, "ticktext": [text(word) for word in words], "zeroline": False,
        }  # fmt: skip


def scales(facts: Facts) -> dict[str, Scale]:
    """The scale of each parameter that varies, the most important first."""
    found = {}
    for name, distributions in facts.distributions.items():
        scale = _scale(name, distributions)
        if scale is not None:
            found[name] = scale
    order = {one.name: index for index, one in enumerate(facts.importances)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _scale(name: str, distributions: list[BaseDistribution]) -> Scale | None:
    """The scale of a parameter; None if it cannot vary. It covers all ranges of a parameter whose range has changed."""
    numeric = [one for one in distributions if isinstance(one, IntDistribution | FloatDistribution)]
    if len(numeric) == len(distributions):
        low, high = min(one.low for one in numeric), max(one.high for one in numeric)
        return Scale(name, False, all(one.log for one in numeric), low, high, []) if high > low else None
    choices: list[Any] = []
    for one in distributions:
        if not isinstance(one, CategoricalDistribution):
            return None
        choices += [choice for choice in one.choices if choice not in choices]
    if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices):
        choices.sort()
    return Scale(name, True, False, 0, 0, [str(choice) for choice in choices]) if len(choices) > 1 else None


def _number(value: float) -> str:
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(power)}"
    return describe_param(float(f"{value:.3g}"))
