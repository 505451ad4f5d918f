"""What is believed to be good before a study begins: configurations that are tried first, and their neighbours.

The rule is that of Mallik et al., *PriorBand* (2023), with a share of its own: some configurations are drawn near the
believed ones, and they are the fewer the worse those drawn before compare with the others. So a wrong belief costs a
few first rungs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lightsearch.declare.space import Space
from lightsearch.declare.values import Value
from lightsearch.study.schedulers import Curve, Progress
from lightsearch.study.schedulers.unit_cube import Points, UnitCube

SPREAD, KEEP = 0.2, 0.5
"""How a neighbour is drawn: the standard deviation of a step, and the probability that a parameter takes none."""

MOST = 0.8
"""The share of neighbours that beliefs have which are always right. Half of it is theirs before anything is known."""

TOP = 1 / 3
"""The share of the trials that count as good."""

DOUBT = 2.0
"""How many average trials are added on either side of a comparison, so that the first few trials decide little."""

SAME = 1e-6
"""Coordinates that differ by less are equal."""


class Centre(NamedTuple):
    """A configuration that is believed to be good."""

    params: Mapping[str, Value]
    """Values by the names of parameters; nothing is believed of those that are missing."""
    source: str
    """Whose belief it is, in words: it is kept with the trials."""
    weight: float = 1.0
    """How many neighbours it has, relative to the other centres."""


class Beliefs:
    """Draws what is believed to be good.

    Args:
        space: The search space.
        centres: The believed configurations, in the order in which they are tried.
        direction: ``maximize`` or ``minimize``.
    """

    def __init__(self, space: Space, centres: Sequence[Centre], direction: str) -> None:
        self._cube = UnitCube(space)
        self._centres = [one for one in centres if self._cube.distributions.keys() & one.params.keys()]
        self._points = np.array([self._cube.encode(one.params, absent=math.nan) for one in self._centres])
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._encoded: dict[int, Points] = {}
        """The trials in the unit cube, by number; what a trial does not have is NaN."""

    def drawn(self, rng: np.random.Generator, points: Points, curves: Sequence[Curve]) -> tuple[Points, list[str]]:
        """Points for new trials, of which some become believed ones.

        The first ones become the centres that no trial has yet, and a share of the others become neighbours of
        centres. They keep the coordinates of which nothing is believed.

        Args:
            rng: The source of chance.
            points: Points as they are without a belief, of shape ``(n, n_axes)``.
            curves: The trials of the study.

        Returns:
            The points, and for each of them what it is, in words; empty: it is as it was.
        """
        found, what = points.copy(), [""] * len(points)
        if not self._centres:
            return found, what
        trials = np.array([self._encode(one) for one in curves]).reshape(len(curves), self._cube.n_axes)
        untried = [index for index, centre in enumerate(self._points) if not _is_among(centre, trials)]
        trust = self._trust(curves, trials)
        chances = trust * [one.weight for one in self._centres]
        near = rng.random(len(points)) < MOST * trust.max()
        for row in range(len(points)):
            if row < len(untried):
                index, word = untried[row], "at"
            elif near[row]:
                index, word = int(rng.choice(len(chances), p=chances / chances.sum())), "near"
            else:
                continue
            centre = self._points[index]
            found[row] = np.where(np.isnan(centre), points[row], centre)
            if word == "near":
                found[row] = self._cube.near(rng, found[row : row + 1], SPREAD, KEEP)[0]
            what[row] = f"{word} {self._centres[index].source}"
        return found, what

    def _trust(self, curves: Sequence[Curve], trials: Points) -> npt.NDArray[np.float64]:
        """How far each centre is trusted, from 0 to 1: 0.5 if its neighbours are good as often as all others are."""
        bests = np.array([max((self._sign * one for one in _values(curve)), default=-math.inf) for curve in curves])
        known = np.isfinite(bests)
        if not known.any():
            return np.full(len(self._points), 0.5)
        n_top = math.ceil(TOP * known.sum())
        top = np.zeros(len(bests), bool)
        top[np.argsort(-bests, kind="stable")[:n_top]] = True
        near = np.array([self._log_density(trials, centre) > 0 for centre in self._points]) & known

        def rate(members: npt.NDArray[np.bool_]) -> float:
            return float((top[members].sum() + DOUBT * n_top / known.sum()) / (members.sum() + DOUBT))

        rates = [(rate(members), rate(known & ~members)) for members in near]
        return np.array([own / (own + other) for own, other in rates])

    def _log_density(self, trials: Points, centre: Points) -> npt.NDArray[np.float64]:
        """The logarithm of the density of a centre's neighbours relative to that of all configurations: (n_trials,)."""
        found = np.zeros(len(trials))
        for axes in self._cube.axes.values():
            steps, n = trials[:, axes] - centre[axes], axes.stop - axes.start
            if n == 1:
                ratio = -math.log(SPREAD * math.sqrt(2 * math.pi)) - 0.5 * np.square(steps[:, 0] / SPREAD)
            else:
                ratio = np.where(np.abs(steps).sum(axis=1) < SAME, math.log(KEEP * n + 1 - KEEP), math.log(1 - KEEP))
            found += np.where(np.isnan(steps).any(axis=1), 0.0, ratio)
        return found

    def _encode(self, curve: Curve) -> Points:
        if curve.number not in self._encoded:
            self._encoded[curve.number] = self._cube.encode(curve.params, absent=math.nan)
        return self._encoded[curve.number]


def _values(curve: Curve) -> list[float]:
    """The values of a trial that count; none if it failed."""
    return [] if curve.progress is Progress.FAILED else list(curve.values.values())


def _is_among(centre: Points, trials: Points) -> bool:
    """Whether a trial has all the believed values that it can have, and one of them at least."""
    steps = np.abs(trials - centre)
    compared = ~np.isnan(steps)
    return bool((compared.any(axis=1) & ((steps < SAME) | ~compared).all(axis=1)).any())
