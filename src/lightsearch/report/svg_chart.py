"""A small chart as inline SVG, of points and a line. It needs no script, and takes the text colour of its page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from lightsearch.report.svg_axis import Axis, label

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
    may_be_log: bool = False,
) -> Chart:
    """Places points and a line in the picture. Points at the same place are drawn once.

    Args:
        title: What is shown.
        points: Finite values, x and y, by group.
        line: Finite values, x and y.
        x_title: The name of the x axis.
        y_range: The lowest and the highest y; points beyond are drawn at the edge. None: all are within.
        may_be_log: Whether an axis whose values span powers of ten is logarithmic.
    """
    every = [*(point for group in points.values() for point in group), *line]
    counts = x_title in ("trial", "epoch", "step")
    across = Axis.of([x for x, _ in every], whole=counts, may_be_log=may_be_log)
    up = Axis.of(y_range or [y for _, y in every], may_be_log=may_be_log)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + across.share(x) * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up.share(y) * (HEIGHT - TOP - BOTTOM), 1),
        )

    return Chart(
        title=title,
        points={group: list(dict.fromkeys(place(*point) for point in found)) for group, found in points.items()},
        line="M" + "L".join("{} {}".format(*place(*point)) for point in line) if line else "",
        x_ticks=[(place(x, up.low)[0], label(x)) for x in across.ticks()],
        y_ticks=[(place(across.low, y)[1], label(y)) for y in up.ticks()],
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


def edge_of_front(front: Sequence[tuple[float, float]], *, rightwards: bool) -> list[tuple[float, float]]:
    """The edge of what a Pareto front reaches: steps from point to point, on the worse side of both.

    Args:
        front: The front's points.
        rightwards: Whether x is maximized.
    """
    ordered = sorted(front)
    line = ordered[:1]
    for before, point in itertools.pairwise(ordered):
        line += [(before[0], point[1]) if rightwards else (point[0], before[1]), point]
    return line
