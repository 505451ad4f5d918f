"""The search space as a unit cube, in which a model can measure distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FixedTrial

from lightsearch.declare.space import Space
from lightsearch.declare.values import Value

Points = npt.NDArray[np.float64]
"""Points of the cube, one per row."""

ABSENT = 0.5
"""The coordinate of a parameter that a trial does not have."""


class UnitCube:
    """Axes for the parameters of a space.

    A number is one axis, on a logarithmic scale where the space has one. A choice of numbers in ascending order is an
    axis too, and so is a choice of two values. Any other choice has an axis for each value, of which one is 1.

    Args:
        space: The search space.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        every = _EveryParameter()
        for entry in space.entries:
            entry.parameter.suggest(every, entry.name)
        self.axes: dict[str, slice] = {}
        """The axes of each parameter, by its name."""
        self.distributions = every.found
        """What each parameter is sampled from, by its name."""
        start = 0
        for name, distribution in self.distributions.items():
            self.axes[name] = slice(start, start + _n_axes(distribution))
            start = self.axes[name].stop
        self.n_axes = start
        """The number of axes."""

    def encode(self, params: Mapping[str, Value], absent: float = ABSENT) -> Points:
        """The point of a trial's parameters, of shape ``(n_axes,)``.

        Args:
            params: Values by the names of parameters.
            absent: The coordinates of those that are missing.
        """
        point = np.full(self.n_axes, absent)
        for name, axes in self.axes.items():
            if name in params:
                point[axes] = _encode(self.distributions[name], params[name])
        return point

    def decode(self, point: Points) -> dict[str, Value]:
        """Parameters of the space at a point of shape ``(n_axes,)``; those that do not apply there are left out."""
        return self._space.suggest(_AtPoint(point, self.axes))

    def rounded(self, points: Points) -> Points:
        """The points of the parameters at given points, both of shape ``(n, n_axes)``."""
        if self._space.conditional:
            return np.array([self.encode(self.decode(point)) for point in points]).reshape(points.shape)
        found = points.copy()
        for name, axes in self.axes.items():
            found[:, axes] = _rounded(self.distributions[name], points[:, axes])
        return found

    def uniform(self, rng: np.random.Generator, n: int) -> Points:
        """Random points, of shape ``(n, n_axes)``."""
        return rng.random((n, self.n_axes))

    def drawn(self, rng: np.random.Generator, name: str) -> Value:
        """A random value of a parameter."""
        axes, distribution = self.axes[name], self.distributions[name]
        value: Value = _decode(distribution, rng.random(axes.stop - axes.start))
        return int(value) if isinstance(distribution, IntDistribution) else value

    def near(self, rng: np.random.Generator, points: Points, spread: float, keep: float) -> Points:
        """Neighbours of points: one each, of the same shape.

        Args:
            rng: The source of chance.
            points: The points.
            spread: The standard deviation of a step along an axis.
            keep: The probability that a parameter keeps its value. One at least takes a step.
        """
        moved = points + spread * rng.standard_normal(points.shape)
        moved = np.abs(moved)
        moved = np.where(moved > 1, np.clip(2 - moved, 0, 1), moved)  # reflected: a clipped step would pile up there
        for axes in self.axes.values():
            if axes.stop - axes.start > 1:
                moved[:, axes] = rng.random(moved[:, axes].shape)
        if not self.axes:
            return points
        steps = rng.random((len(points), len(self.axes))) >= keep
        steps[np.arange(len(points)), rng.integers(len(self.axes), size=len(points))] = True
        widths = [axes.stop - axes.start for axes in self.axes.values()]
        return np.where(np.repeat(steps, widths, axis=1), moved, points)


class _EveryParameter(FixedTrial):
    """A trial that has every parameter of a space, and collects their distributions."""

    def __init__(self) -> None:
        super().__init__({})
        self.found: dict[str, BaseDistribution] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.found[name] = FloatDistribution(low, high, log=log, step=step)
        return high

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.found[name] = IntDistribution(low, high, log=log, step=step)
        return high  # the length of a list: it then has all its items

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.found[name] = CategoricalDistribution(choices)
        return choices[-1]


class _AtPoint(FixedTrial):
    """A trial whose parameters are those at a point of the cube."""

    def __init__(self, point: Points, axes: Mapping[str, slice]) -> None:
        super().__init__({})
        self._point = point
        self._axes = axes

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(_decode(FloatDistribution(low, high, log=log, step=step), self._point[self._axes[name]]))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(_decode(IntDistribution(low, high, log=log, step=step), self._point[self._axes[name]]))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return _decode(CategoricalDistribution(choices), self._point[self._axes[name]])


def _is_ordered(distribution: CategoricalDistribution) -> bool:
    choices: list[Any] = list(distribution.choices)
    numbers = all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices)
    return len(choices) <= 2 or (numbers and choices == sorted(choices))


def _n_axes(distribution: BaseDistribution) -> int:
    if isinstance(distribution, CategoricalDistribution) and not _is_ordered(distribution):
        return len(distribution.choices)
    return 1


def _encode(distribution: BaseDistribution, value: CategoricalChoiceType) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        index = distribution.choices.index(value)
        if _is_ordered(distribution):
            return (index + 0.5) / len(distribution.choices)
        return np.eye(len(distribution.choices))[index]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = _ends(distribution)
    position = math.log(float(value)) if distribution.log else float(value)  # type: ignore[arg-type]
    return (position - low) / (high - low) if high > low else ABSENT


def _decode(distribution: BaseDistribution, coordinates: Points) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        n = len(distribution.choices)
        index = min(int(coordinates[0] * n), n - 1) if _is_ordered(distribution) else int(np.argmax(coordinates))
        return distribution.choices[index]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = _ends(distribution)
    position = low + float(coordinates[0]) * (high - low)
    value = math.exp(position) if distribution.log else position
    if distribution.step is not None:
        value = distribution.low + round((value - distribution.low) / distribution.step) * distribution.step
    return min(max(value, distribution.low), distribution.high)


def _rounded(distribution: BaseDistribution, columns: Points) -> Points:
    """``_encode(_decode(point))`` for many points at once, of shape ``(n, axes of the parameter)``."""
    if isinstance(distribution, CategoricalDistribution):
        n = len(distribution.choices)
        if not _is_ordered(distribution):
            one_hot: Points = np.eye(n)[np.argmax(columns, axis=1)]
            return one_hot
        found: Points = (np.minimum(np.floor(columns * n), n - 1) + 0.5) / n
        return found
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = _ends(distribution)
    if distribution.step is None or high <= low:
        return columns
    positions = low + columns * (high - low)
    values = np.exp(positions) if distribution.log else positions
    values = distribution.low + np.round((values - distribution.low) / distribution.step) * distribution.step
    values = np.clip(values, distribution.low, distribution.high)
    rounded: Points = ((np.log(values) if distribution.log else values) - low) / (high - low)
    return rounded


def _ends(distribution: FloatDistribution | IntDistribution) -> tuple[float, float]:
    """The range of the axis. Every step of a range with steps has an equal part of it."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.step is not None:
        low, high = low - distribution.step / 2, high + distribution.step / 2
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
