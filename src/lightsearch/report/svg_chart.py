"""A small chart as inline SVG, of points and a line. It needs no script, and takes the text colour of its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 54, 8, 8, 34
"""Margins: the words of the axes are in them."""

FENCE = 1.5
"""A value counts as far away beyond the quartiles by this many of their distances (Tukey's fences)."""


@dataclass(frozen=True)
class Chart:
    """What the template draws, in pixels of the picture."""

    title: str
    points: dict[str, list[tuple[float, float]]]
    """Positions of the points, by group."""
    line: str
    """The line: the ``d`` of an SVG path."""
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    x_title: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    """Where the axis begins."""
    right: int = WIDTH - RIGHT
    """Where it ends."""


def chart(
    title: str,
    points: dict[str, list[tuple[float, float]]],
    line: Sequence[tuple[float, float]] = (),
    *,
    x_title: str,
    y_range: tuple[float, float] | None = None,
) -> Chart:
    """Places points and a line in the picture. Points at the same place are drawn once.

    Args:
        title: What is shown.
        points: Finite values, x and y, by group.
        line: Finite values, x and y.
        x_title: The name of the x axis.
        y_range: The lowest and the highest y; points beyond are drawn at the edge. None: all are within.
    """
    every = [*(point for group in points.values() for point in group), *line]
    xs = _padded(min(x for x, _ in every), max(x for x, _ in every))
    ys = _padded(*(y_range or (min(y for _, y in every), max(y for _, y in every))))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (min(max(y, ys[0]), ys[1]) - ys[0]) / (ys[1] - ys[0])
        across = (x - xs[0]) / (xs[1] - xs[0])
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1),
        )

    return Chart(
        title=title,
        points={group: list(dict.fromkeys(place(*point) for point in found)) for group, found in points.items()},
        line="M" + "L".join("{} {}".format(*place(*point)) for point in line) if line else "",
        x_ticks=[(place(x, ys[0])[0], f"{x:g}") for x in _ticks(*xs, whole=x_title in ("trial", "epoch", "step"))],
        y_ticks=[(place(xs[0], y)[1], f"{y:g}") for y in _ticks(*ys)],
        x_title=x_title,
    )


def without_far(values: Sequence[float], *, maximize: bool) -> tuple[float, float]:
    """The lowest and the highest value, without bad values that are far away from all others."""
    low, high = min(values), max(values)
    if len(values) < 4:
        return low, high
    first, _, third = quantiles(values, n=4)
    fence = FENCE * (third - first)
    return (max(low, first - fence), high) if maximize else (low, min(high, third + fence))


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.04 * (high - low) or 0.05 * abs(low) or 0.5
    return low - pad, high + pad


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Two to six round numbers within the range."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{step * index:.10g}") for index in range(first, last + 1)]
