"""Freeze-thaw: whatever is expected to gain most for an epoch trains next, a trial that waits or a new one.

After Swersky, Snoek and Adams, *Freeze-thaw Bayesian optimization* (2014). The first epochs go to successive halving by
promotion, since a model of curves knows little before it has seen some to their end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import qmc

from lightsearch.declare.space import Space
from lightsearch.study.schedulers import Curve, Decision, Progress
from lightsearch.study.schedulers.beliefs import Beliefs
from lightsearch.study.schedulers.curve_model import Array, CurveModel, Observations
from lightsearch.study.schedulers.promotion import Asha
from lightsearch.study.schedulers.unit_cube import UnitCube

START_TRAININGS = 2
"""Whole trainings that the start by promotion lasts."""

START_RUNGS = 26
"""The first rung of the start is this part of a whole training."""

GRID = 1.4
"""The ratio of neighbouring epochs at which a trial pauses, and at which the model looks at its curve."""

HORIZONS = (1 / 52, 3 / 52, 8 / 52, 20 / 52, 1.0)
"""How far ahead a candidate's gain is looked at, in whole trainings."""

N_RANDOM, N_NEAR, N_LEADERS = 100, 100, 5
"""New candidates: random ones, and neighbours of the leaders."""

MOST_POINTS, MOST_FITTED = 900, 350
"""Observations that predictions, and hyperparameters, are made from."""

SAME = 1e-9
"""Points that are nearer along every axis are the same."""

REFIT_GROWTH, REFIT_POINTS = 1.2, 40
"""The hyperparameters are found again when the observations have grown by either."""

WORTH = 0.005
"""A study without new trials ends when no expected gain is above this, in the unit of ``scaled``."""


class FreezeThaw:
    """Decides by a model of learning curves.

    Args:
        space: The search space.
        max_epochs: Epochs of a whole training.
        direction: ``maximize`` or ``minimize``.
        seed: The study's seed.
        beliefs: What is believed to be good before the study begins; None: nothing.
        proposes: Whether it proposes the parameters of new trials; otherwise the study's sampler does.
    """

    def __init__(
        self,
        space: Space,
        max_epochs: int,
        direction: str,
        seed: int,
        beliefs: Beliefs | None = None,
        *,
        proposes: bool = True,
    ) -> None:
        self._cube = UnitCube(space)
        self._max_epochs = max_epochs
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._seed = seed
        self._beliefs = beliefs or Beliefs(space, (), direction)
        self._proposes = proposes
        self._grid = _grid(max_epochs)
        first = max(1, round(max_epochs / START_RUNGS))
        self._start = Asha(max_epochs, direction, min_epochs=first, reduction_factor=2)
        self._model = CurveModel(self._cube.n_axes)
        self._points: dict[int, Array] = {}
        """The trials in the unit cube, by number."""
        self._fitted = 0
        """The number of observations that the hyperparameters were found from."""

    @property
    def first_pause(self) -> int:
        return self._start.first_pause

    def decide(self, curves: Sequence[Curve], n_new: int) -> Decision | None:
        spent = sum(max(one.epochs, one.until if one.progress is Progress.RUNNING else 0) for one in curves)
        if spent < START_TRAININGS * self._max_epochs:
            decision = self._start.promote(curves)
            if decision is None and n_new:
                decision = self._first(curves)
            if decision is not None:
                return decision
        known = [one for one in curves if one.values and one.progress is not Progress.FAILED]
        if not known:
            return self._first(curves) if n_new else None
        return self._best_gain(curves, known, n_new)

    def _first(self, curves: Sequence[Curve]) -> Decision:
        """A trial of the start. The trials of the start fill the space evenly, but for what is believed to be good."""
        decision = self._start.begin()
        if not self._proposes:
            return decision
        if not self._cube.n_axes:
            return decision._replace(params={})
        sequence = qmc.Sobol(self._cube.n_axes, rng=np.random.default_rng(self._seed))
        if curves:
            sequence.fast_forward(len(curves))
        rng = np.random.default_rng([self._seed, len(curves)])
        points, (what,) = self._beliefs.drawn(rng, sequence.random(1), curves)
        reason = f"{decision.reason}, {what}" if what else decision.reason
        return decision._replace(params=self._cube.decode(points[0]), reason=reason)

    def _best_gain(self, curves: Sequence[Curve], known: list[Curve], n_new: int) -> Decision | None:
        rng = np.random.default_rng([self._seed, len(curves), sum(one.epochs for one in curves)])
        scale = Scale.of(known, self._sign)
        points = np.array([self._point(one) for one in curves]).reshape(len(curves), self._cube.n_axes)
        observed = self._observations(curves, points, scale)
        self._refit(observed, rng)
        self._model.condition(observed)
        pending = [one for one in enumerate(curves) if one[1].progress is Progress.RUNNING]
        for row, one in pending:  # what runs is expected to end as predicted: workers do not all do the same
            if one.until > one.epochs:
                time = self._time(one.until)
                mean, _ = self._model.predict(points, np.array([row]), np.array([time]))
                reached = scale.of_curve(one, one.epochs) if one.values else -math.inf
                observed = observed.added(row, time, max(float(mean[0]), reached))
        if pending:
            self._model.condition(observed)
        candidates = [(row, one.epochs) for row, one in enumerate(curves) if one.progress is Progress.PAUSED]
        if n_new:
            new, what = self._new_points(rng, curves, known, points)
            candidates += [(len(curves) + row, 0) for row in range(len(new))]
            points = np.vstack([points, new])
        if not candidates:
            return None
        gain, horizon, row, epochs = self._choose(points, candidates)
        if not n_new and gain < WORTH:
            return None
        until = min(self._max_epochs, next(one for one in self._grid if one > epochs))
        reason = f"gain of {scale.gain(gain):.2g} expected within {horizon} epochs"
        if row < len(curves):
            return Decision(curves[row].number, until, f"continued after {epochs}: {reason}")
        until = max(until, self._start.rungs[0])
        if not self._proposes:
            return Decision(None, until, f"new: {reason}")
        origin = what[row - len(curves)]
        reason = f"new, {origin}: {reason}" if origin else f"new: {reason}"
        return Decision(None, until, reason, self._cube.decode(points[row]))

    def _point(self, curve: Curve) -> Array:
        if curve.number not in self._points:
            self._points[curve.number] = self._cube.encode(curve.params)
        return self._points[curve.number]

    def _choose(self, points: Array, candidates: list[tuple[int, int]]) -> tuple[float, int, int, int]:
        """The candidate with the highest expected gain for the root of its epochs.

        Returns:
            The gain, the epochs that it takes, the candidate's row and its epochs so far.
        """
        rows, so_far, horizons = [], [], []
        for row, epochs in candidates:
            ahead = sorted({min(max(1, round(one * self._max_epochs)), self._max_epochs - epochs) for one in HORIZONS})
            rows += [row] * len(ahead)
            so_far += [epochs] * len(ahead)
            horizons += ahead
        asked, began, ahead_of = np.array(rows), np.array(so_far), np.array(horizons)
        mean, deviation = self._model.predict(points, asked, self._times(began + ahead_of))
        gains = expected_improvement(mean, deviation)
        chosen = int(np.argmax(gains / np.sqrt(ahead_of)))
        return float(gains[chosen]), horizons[chosen], rows[chosen], so_far[chosen]

    def _observations(self, curves: Sequence[Curve], points: Array, scale: Scale) -> Observations:
        """The curves on the grid of epochs, each with its last epoch; of many, those of the best trials."""
        order = sorted(
            (row for row, one in enumerate(curves) if one.values and one.progress is not Progress.FAILED),
            key=lambda row: -scale.of_curve(curves[row], curves[row].epochs),
        )
        last = [(row, curves[row].epochs) for row in order]
        earlier = [(row, epochs) for row in order for epochs in self._grid if epochs < curves[row].epochs]
        seen = [(row, epochs) for row, epochs in earlier if min(curves[row].values) <= epochs]
        kept = (last + seen)[:MOST_POINTS]
        values = [scale.of_curve(curves[row], epochs) for row, epochs in kept]
        # A trial that failed, as by divergence, is as bad as the worst of the others is.
        failed = [(row, self._max_epochs) for row, one in enumerate(curves) if one.progress is Progress.FAILED]
        values += [min(-1.0, *values)] * len(failed)
        kept += failed[-MOST_POINTS // 4 :]
        values = values[: len(kept)]
        rows, epochs_of = np.array([row for row, _ in kept]), np.array([epochs for _, epochs in kept])
        return Observations(points, rows, self._times(epochs_of), np.array(values))

    def _refit(self, observed: Observations, rng: np.random.Generator) -> None:
        n = len(observed.value)
        if self._fitted <= n < min(self._fitted * REFIT_GROWTH, self._fitted + REFIT_POINTS):
            return
        rows = np.arange(n) if n <= MOST_FITTED else np.sort(rng.choice(n, MOST_FITTED, replace=False))
        self._model.fit(observed.of(rows))
        self._fitted = n

    def _new_points(
        self, rng: np.random.Generator, curves: Sequence[Curve], known: list[Curve], tried: Array
    ) -> tuple[Array, list[str]]:
        """Candidates for a new trial, as points that parameters of the space have; and what each is believed to be.

        Those that were tried before are left out, unless there are no others.
        """
        leaders = sorted(known, key=lambda one: -max(self._sign * value for value in one.values.values()))[:N_LEADERS]
        around = np.array([self._cube.encode(leaders[i % len(leaders)].params) for i in range(N_NEAR)])
        near = self._cube.near(rng, around, spread=0.1, keep=0.5)
        anywhere, believed = self._beliefs.drawn(rng, self._cube.uniform(rng, N_RANDOM), curves)
        drawn, what = self._cube.rounded(np.vstack([anywhere, near])), believed + [""] * N_NEAR
        fresh = [row for row, point in enumerate(drawn) if not (np.abs(tried - point) < SAME).all(axis=1).any()]
        return (drawn[fresh], [what[row] for row in fresh]) if fresh else (drawn, what)

    def _time(self, epochs: int) -> float:
        return float(self._times(np.array([epochs]))[0])

    def _times(self, epochs: npt.NDArray[np.int64]) -> Array:
        return np.log(epochs) / math.log(max(self._max_epochs, 2))


class Scale(NamedTuple):
    """Values in a unit of their own: 0 is the best one so far, -1 the median of the trials."""

    best: float
    unit: float
    sign: float

    @classmethod
    def of(cls, curves: Sequence[Curve], sign: float) -> Scale:
        """The scale of curves that have values."""
        bests = [max(sign * value for value in one.values.values()) for one in curves]
        best, median = max(bests), float(np.median(bests))
        return cls(best, (best - median) or abs(best) or 1.0, sign)

    def of_curve(self, curve: Curve, epochs: int) -> float:
        """The best value of a curve's first epochs. What is far below the median is drawn nearer."""
        best = max(self.sign * value for epoch, value in curve.values.items() if epoch <= epochs)
        scaled = (best - self.best) / self.unit
        return scaled if scaled > -1.5 else -1.5 - math.log1p(-1.5 - scaled)

    def gain(self, scaled: float) -> float:
        """A gain in the unit of the metric."""
        return scaled * self.unit


def expected_improvement(mean: Array, deviation: Array) -> Array:
    """The expected improvement over 0 of normally distributed values."""
    z = mean / deviation
    improvement: Array = mean * ndtr(z) + deviation * np.exp(-0.5 * np.square(z)) / math.sqrt(2 * math.pi)
    return improvement


def _grid(max_epochs: int) -> list[int]:
    """Epochs in a ratio of about ``GRID``, from 1 to the last."""
    found, exact = [1], 1.0
    while found[-1] < max_epochs:
        exact *= GRID
        if round(exact) > found[-1]:
            found.append(min(round(exact), max_epochs))
    return found
