"""Freeze-thaw: whatever is expected to gain most for an epoch trains next, a trial that waits or a new one.

After Swersky, Snoek and Adams, *Freeze-thaw Bayesian optimization* (2014). The first epochs go to successive halving by
promotion, since a model of curves knows little before it has seen some to their end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import qmc
from threadpoolctl import ThreadpoolController

from lightsearch.declare.space import Space
from lightsearch.study.schedulers import Curve, Decision, Enqueued, Progress
from lightsearch.study.schedulers.beliefs import Beliefs
from lightsearch.study.schedulers.curve_model import Array, CurveModel, Observations
from lightsearch.study.schedulers.pacing import epochs_spent, may_begin
from lightsearch.study.schedulers.promotion import Asha
from lightsearch.study.schedulers.scale import Scale
from lightsearch.study.schedulers.unit_cube import ABSENT, UnitCube

START_TRAININGS = 2
"""Whole trainings that the start by promotion lasts."""

START_RUNGS = 26
"""The first rung of the start is this part of a whole training."""

GRID = 1.4
"""The ratio of neighbouring epochs at which a trial pauses, and at which the model looks at its curve."""

HORIZONS = (1 / 52, 3 / 52, 8 / 52, 20 / 52, 1.0)
"""How far ahead a candidate's gain is looked at, in whole trainings."""

SCREENED, N_LOOKED_AT = (HORIZONS[1], HORIZONS[-1]), 40
"""All candidates are looked at these horizons ahead, and so many of the best at every horizon."""

N_RANDOM, N_NEAR, N_LEADERS = 100, 100, 5
"""New candidates: random ones, and neighbours of the leaders."""

MOST_POINTS, MOST_FITTED = 900, 350
"""Observations that predictions, and hyperparameters, are made from."""

MOST_EXPECTED = 200
"""Running trials whose ends are expected, the most promising ones: the time is cubic in them, too."""

Epochs = npt.NDArray[np.int64]

SAME = 1e-9
"""Points that are nearer along every axis are the same."""

REFIT_GROWTH, REFIT_POINTS = 1.2, 40
"""The hyperparameters are found again when the observations have grown by either."""

WORTH = 0.005
"""A study without new trials ends when no expected gain is above this, in the unit of ``scaled``."""

SETTLED_TRAININGS = 2
"""It ends, too, after so many whole trainings without a better value: what is expected may be noise."""


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
        self._threads = ThreadpoolController()
        self._points: dict[int, Array] = {}
        """The trials in the unit cube, by number."""
        self._bests: dict[int, Array] = {}
        """The highest value up to each epoch of a trial, by its number; negated if lower values are better."""
        self._improved = -math.inf, 0
        """The best value, and the epochs of all trials when it was found, since all trials have begun."""
        self._fitted = 0
        """The number of observations that the hyperparameters were found from."""

    @property
    def first_pause(self) -> int:
        return self._start.first_pause

    def decide(self, curves: Sequence[Curve], n_new: int, enqueued: Sequence[Enqueued] = ()) -> Decision | None:
        known = [one for one in curves if one.values and one.progress is not Progress.FAILED]
        if n_new:
            self._improved = -math.inf, 0
        may_end = n_new == 0
        if known and not may_begin(curves, n_new, self._max_epochs):
            n_new, enqueued = 0, ()
        if epochs_spent(curves) < START_TRAININGS * self._max_epochs:
            decision = self._start.promote(curves)
            if decision is None and n_new:
                decision = self._first(curves, enqueued)
            if decision is not None:
                return decision
        if not known:
            return self._first(curves, enqueued) if n_new else None
        with self._threads.limit(limits=1, user_api="blas"):  # the cores are the workers'
            return self._best_gain(curves, known, n_new, enqueued, may_end=may_end)

    def _first(self, curves: Sequence[Curve], enqueued: Sequence[Enqueued]) -> Decision:
        """A trial of the start. The trials of the start fill the space evenly, but for what is believed to be good."""
        decision = self._start.begin(enqueued)
        if enqueued or not self._proposes:
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

    def _best_gain(
        self, curves: Sequence[Curve], known: list[Curve], n_new: int, enqueued: Sequence[Enqueued], *, may_end: bool
    ) -> Decision | None:
        rng = np.random.default_rng([self._seed, len(curves), sum(one.epochs for one in curves)])
        scale = Scale.of(np.array([self._best(one)[-1] for one in known]))
        points = np.array([self._point(one) for one in curves]).reshape(len(curves), self._cube.n_axes)
        observed = self._observations(curves, points, scale)
        self._refit(observed, rng)
        self._model.condition(observed)
        self._expect(curves, points, scale)
        candidates = [(row, one.epochs) for row, one in enumerate(curves) if one.progress is Progress.PAUSED]
        if n_new:
            if enqueued:
                new, what = np.array([self._enqueued_point(one) for one in enqueued]), [""] * len(enqueued)
            else:
                new, what = self._new_points(rng, curves, known, points)
            candidates += [(len(curves) + row, 0) for row in range(len(new))]
            points = np.vstack([points, new])
        if not candidates:
            return None
        gain, horizon, row, epochs = self._choose(points, candidates)
        if may_end and (gain < WORTH or self._is_settled(curves, scale.best)):
            return None
        until = min(self._max_epochs, next(one for one in self._grid if one > epochs))
        reason = f"gain of {scale.gain(gain):.2g} expected within {horizon} epochs"
        if row < len(curves):
            return Decision(curves[row].number, until, f"continued after {epochs}: {reason}")
        until = max(until, self._start.rungs[0])
        if enqueued:
            return Decision(enqueued[row - len(curves)].number, until, f"enqueued: {reason}")
        if not self._proposes:
            return Decision(None, until, f"new: {reason}")
        origin = what[row - len(curves)]
        reason = f"new, {origin}: {reason}" if origin else f"new: {reason}"
        return Decision(None, until, reason, self._cube.decode(points[row]))

    def _is_settled(self, curves: Sequence[Curve], best: float) -> bool:
        """Whether the epochs of the last whole trainings, without new trials, brought no better value.

        Args:
            curves: All trials.
            best: The best value so far, higher is better.
        """
        spent = sum(one.epochs for one in curves)
        if best > self._improved[0]:
            self._improved = best, spent
        return spent - self._improved[1] >= SETTLED_TRAININGS * self._max_epochs

    def _expect(self, curves: Sequence[Curve], points: Array, scale: Scale) -> None:
        """Lets what runs end as predicted, so that workers do not all do the same."""
        running = [row for row, one in enumerate(curves) if one.progress is Progress.RUNNING and one.until > one.epochs]
        if not running:
            return
        rows, times = np.array(running), self._times(np.array([curves[row].until for row in running]))
        mean, _ = self._model.predict(points, rows, times)
        reached = [self._best(curves[row])[-1] if curves[row].values else -math.inf for row in running]
        expected = Observations(points, rows, times, np.maximum(mean, scale.scaled(np.array(reached))))
        self._model.extend(expected.of(np.sort(np.argsort(-expected.value, kind="stable")[:MOST_EXPECTED])))

    def _point(self, curve: Curve) -> Array:
        if curve.number not in self._points:
            self._points[curve.number] = self._cube.encode(curve.params)
        return self._points[curve.number]

    def _enqueued_point(self, enqueued: Enqueued) -> Array:
        try:
            return np.clip(self._cube.encode(enqueued.params), 0.0, 1.0)
        except (TypeError, ValueError):  # a value that the space does not have: the trial fails when it begins
            return np.full(self._cube.n_axes, ABSENT)

    def _choose(self, points: Array, candidates: list[tuple[int, int]]) -> tuple[float, int, int, int]:
        """The candidate with the highest expected gain for the root of its epochs.

        Returns:
            The gain, the epochs that it takes, the candidate's row and its epochs so far.
        """
        asked = np.array(candidates)
        if len(asked) > N_LOOKED_AT:
            gains, ahead = self._gains(points, asked, SCREENED)
            asked = asked[np.argsort(-(gains / np.sqrt(ahead)).max(axis=1), kind="stable")[:N_LOOKED_AT]]
        gains, ahead = self._gains(points, asked, HORIZONS)
        one, at = np.unravel_index(np.argmax(gains / np.sqrt(ahead)), gains.shape)
        row, epochs = asked[one]
        return float(gains[one, at]), int(ahead[one, at]), int(row), int(epochs)

    def _gains(self, points: Array, candidates: Epochs, horizons: Sequence[float]) -> tuple[Array, Epochs]:
        """Expected gains of candidates, and the epochs that they take, both of shape ``(n_candidates, n_horizons)``."""
        so_far = candidates[:, 1:]
        ahead = np.maximum(1, np.round(np.array(horizons) * self._max_epochs).astype(int))
        ahead = np.minimum(ahead[None, :], self._max_epochs - so_far)
        rows = np.repeat(candidates[:, 0], len(horizons))
        mean, deviation = self._model.predict(points, rows, self._times((so_far + ahead).ravel()))
        return expected_improvement(mean, deviation).reshape(ahead.shape), ahead

    def _observations(self, curves: Sequence[Curve], points: Array, scale: Scale) -> Observations:
        """The curves on the grid of epochs, each with its last epoch; of many, those of the best trials."""
        failed = [one.progress is Progress.FAILED for one in curves]
        bests = {row: self._best(one) for row, one in enumerate(curves) if one.values and not failed[row]}
        order = sorted(bests, key=lambda row: -bests[row][-1])
        last = [(row, len(bests[row])) for row in order]
        earlier = [(row, epochs) for row in order for epochs in self._grid if epochs < len(bests[row])]
        kept = [(row, epochs) for row, epochs in last + earlier if bests[row][epochs - 1] > -math.inf][:MOST_POINTS]
        values = scale.scaled(np.array([bests[row][epochs - 1] for row, epochs in kept]))
        # A trial that ended early will never be better, and one that failed is as bad as the worst of the others is.
        ended = [row for row in order if curves[row].progress is Progress.FINISHED][: MOST_POINTS // 4]
        ended = [row for row in ended if len(bests[row]) < self._max_epochs]
        lost = [int(row) for row in np.flatnonzero(failed)][-MOST_POINTS // 4 :]
        values = np.concatenate(
            [
                values,
                scale.scaled(np.array([bests[row][-1] for row in ended])),
                np.full(len(lost), values.min(initial=-1.0)),
            ]
        )
        rows, epochs_of = np.array(kept + [(row, self._max_epochs) for row in ended + lost]).T
        return Observations(points, rows, self._times(epochs_of), values)

    def _best(self, curve: Curve) -> Array:
        """The highest value up to each epoch; -inf before the first validated one."""
        best = self._bests.get(curve.number)
        if best is None or len(best) != curve.epochs:
            values = [self._sign * curve.values.get(epoch, -math.inf) for epoch in range(1, curve.epochs + 1)]
            best = self._bests[curve.number] = np.maximum.accumulate(values)
        return best

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
        leaders = sorted(known, key=lambda one: -self._best(one)[-1])[:N_LEADERS]
        around = np.array([self._point(leaders[i % len(leaders)]) for i in range(N_NEAR)])
        near = self._cube.near(rng, around, spread=0.1, keep=0.5)
        anywhere, believed = self._beliefs.drawn(rng, self._cube.uniform(rng, N_RANDOM), curves)
        drawn, what = self._cube.rounded(np.vstack([anywhere, near])), believed + [""] * N_NEAR
        fresh = [row for row, point in enumerate(drawn) if not (np.abs(tried - point) < SAME).all(axis=1).any()]
        return (drawn[fresh], [what[row] for row in fresh]) if fresh else (drawn, what)

    def _times(self, epochs: npt.NDArray[np.int64]) -> Array:
        return np.log(epochs) / math.log(max(self._max_epochs, 2))


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
