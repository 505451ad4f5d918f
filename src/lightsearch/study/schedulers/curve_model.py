"""A Gaussian process over learning curves: what a trial of given parameters reaches after a number of epochs.

The idea is that of Swersky, Snoek and Adams, *Freeze-thaw Bayesian optimization* (2014): trials with similar parameters
have similar curves, and a curve's beginning says much about its end. The kernel here is a sum of products over
parameters and training time, as in Wistuba, Kadra and Grabocka, *DyHPO* (2022), without a network; its hyperparameters
have priors that were fitted to other tasks, so that a handful of curves suffices.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = npt.NDArray[np.float64]

SQRT5 = math.sqrt(5.0)

LENGTH_PRIOR = (math.log(1.6), 0.9)
"""Mean and standard deviation of the logarithm of a length scale, in edges of the unit cube."""

PRIOR_MEANS = np.log([0.07, 0.16, 0.2, 0.08, 0.97, 0.003, 0.005, 0.0005])
"""Means of the logarithms of the other hyperparameters, in the order of ``_OTHERS``.

They are empirical-Bayes estimates from 17 tasks of LCBench (Zimmer, Lindauer and Hutter, 2021), with values in the unit
of ``scaled``.
"""

PRIOR_DEVIATIONS = np.array([0.6, 0.7, 0.4, 0.4, 0.4, 1.5, 1.5, 1.5])

_OTHERS = ("final", "growing", "time length", "common", "untrained", "own", "own growing", "noise")
"""Variances: of what parameters change for good, of what they change on the way, of the part of the curve that all
trials share, of what is unknown at the start, of what a single trial has of its own, and of the noise; the length scale
of training time."""

JITTER = 1e-6


class Observations(NamedTuple):
    """Points of learning curves."""

    configurations: Array
    """The points of the trials in the unit cube, of shape ``(n_trials, n_axes)``."""
    trial: npt.NDArray[np.int64]
    """The row of ``configurations`` that an observation is of, of shape ``(n,)``."""
    time: Array
    """Training time, ``log(epochs) / log(max_epochs)``, of shape ``(n,)``."""
    value: Array
    """The value, higher is better, of shape ``(n,)``."""

    def of(self, rows: npt.NDArray[np.int64]) -> Observations:
        """Some of the observations."""
        return Observations(self.configurations, self.trial[rows], self.time[rows], self.value[rows])

    def added(self, trial: int, time: float, value: float) -> Observations:
        """The observations and one more."""
        return Observations(
            self.configurations,
            np.append(self.trial, trial),
            np.append(self.time, time),
            np.append(self.value, value),
        )


class CurveModel:
    """The process, with hyperparameters that are the most likely ones given the prior and the observations.

    Args:
        n_axes: The number of axes of the unit cube.
    """

    def __init__(self, n_axes: int) -> None:
        self._means = np.concatenate([np.full(n_axes, LENGTH_PRIOR[0]), PRIOR_MEANS])
        self._deviations = np.concatenate([np.full(n_axes, LENGTH_PRIOR[1]), PRIOR_DEVIATIONS])
        self._n_axes = n_axes
        self._theta = self._means.copy()
        self._observations: Observations
        self._factor: Array
        self._weights: Array
        self._mean = 0.0

    def fit(self, observations: Observations) -> None:
        """Finds the hyperparameters, beginning at the prior's means.

        Args:
            observations: Some hundreds at most: the time is cubic.
        """
        found = minimize(
            self._loss, self._means, args=(observations,), jac=True, method="L-BFGS-B", options={"maxiter": 25}
        )
        self._theta = found.x

    def condition(self, observations: Observations) -> None:
        """Takes the observations that predictions follow from."""
        self._observations = observations
        self._mean = float(observations.value.mean())
        covariance = self._covariance(observations, observations)
        covariance[np.diag_indices_from(covariance)] += math.exp(self._theta[-1]) + JITTER
        self._factor = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._factor, True), observations.value - self._mean, check_finite=False)

    def predict(self, configurations: Array, trial: npt.NDArray[np.int64], time: Array) -> tuple[Array, Array]:
        """Means and standard deviations of values without noise.

        Args:
            configurations: Points of the unit cube, of shape ``(n_points, n_axes)``.
            trial: For each prediction, the row of ``configurations``, of shape ``(n,)``. The first rows are those of
                the observed trials.
            time: For each prediction, the training time, of shape ``(n,)``.
        """
        asked = Observations(configurations, trial, time, time)
        cross = self._covariance(asked, self._observations)
        mean = self._mean + cross @ self._weights
        solved = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        others = np.exp(self._theta[self._n_axes :])
        prior = others[0] + others[1] + others[3] + others[4] * (1 - time) ** 2 + others[5] + others[6]
        return mean, np.sqrt(np.maximum(prior - np.square(solved).sum(axis=0), 1e-12))

    def _covariance(self, one: Observations, other: Observations) -> Array:
        final, growing, length, common, untrained, own, own_growing, _ = np.exp(self._theta[self._n_axes :])
        scales = np.exp(self._theta[: self._n_axes])
        between = _matern(_distances(one.configurations / scales, other.configurations / scales))
        alike = between[np.ix_(one.trial, other.trial)]
        # Few times are different: what depends on them alone is computed for those.
        times, at = np.unique(one.time, return_inverse=True)
        other_times, other_at = np.unique(other.time, return_inverse=True)
        together = _matern(np.abs(times[:, None] - other_times[None, :]) / length)
        start = untrained * np.outer(1 - times, 1 - other_times)
        cells = np.ix_(at, other_at)
        covariance: Array = alike * (final + growing * together)[cells]
        covariance += (common * together + start)[cells]
        rows, columns = np.nonzero(one.trial[:, None] == other.trial[None, :])
        covariance[rows, columns] += (own + own_growing * together)[at[rows], other_at[columns]]
        return covariance

    def _loss(self, theta: Array, observations: Observations) -> tuple[float, Array]:
        """The negative logarithm of the posterior of hyperparameters, and its gradient."""
        n_axes, trial = self._n_axes, observations.trial
        final, growing, length, common, untrained, own, own_growing, noise = np.exp(theta[n_axes:])
        scaled = observations.configurations / np.exp(theta[:n_axes])
        distances = _distances(scaled, scaled)
        between, slope = _matern(distances), _matern_slope(distances)
        alike = between[np.ix_(trial, trial)]
        gaps = np.abs(observations.time[:, None] - observations.time[None, :]) / length
        together = _matern(gaps)
        same = (trial[:, None] == trial[None, :]).astype(float)
        start = np.outer(1 - observations.time, 1 - observations.time)
        in_time = final + growing * together
        covariance = alike * in_time + common * together + untrained * start + same * (own + own_growing * together)
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        residual = observations.value - observations.value.mean()
        weights = cho_solve((factor, True), residual, check_finite=False)
        inverse = cho_solve((factor, True), np.eye(len(residual)), check_finite=False)
        inner = inverse - np.outer(weights, weights)  # twice the derivative of the loss by the covariance
        by_alike = inner * in_time
        # Summed over the observations of each pair of trials, so that each length scale costs trials squared only.
        member = np.zeros((len(scaled), len(trial)))
        member[trial, np.arange(len(trial))] = 1.0
        by_pair = (member @ by_alike @ member.T) * slope
        gradient = np.empty_like(theta)
        for axis in range(n_axes):
            steps = scaled[:, axis, None] - scaled[None, :, axis]
            gradient[axis] = 0.5 * np.sum(by_pair * np.square(steps))
        by_together = inner * (growing * alike + common + own_growing * same)
        gradient[n_axes:] = 0.5 * np.array(
            [
                final * np.sum(inner * alike),
                growing * np.sum(inner * alike * together),
                np.sum(by_together * _matern_slope(gaps) * np.square(gaps)),
                common * np.sum(inner * together),
                untrained * np.sum(inner * start),
                own * np.sum(inner * same),
                own_growing * np.sum(inner * same * together),
                noise * np.trace(inner),
            ]
        )
        off = (theta - self._means) / self._deviations
        loss = 0.5 * residual @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        return float(loss), gradient + off / self._deviations


def _distances(one: Array, other: Array) -> Array:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None, :] - 2 * one @ other.T
    distances: Array = np.sqrt(np.maximum(squares, 0.0))
    return distances


def _matern(distances: Array) -> Array:
    """Matérn's kernel of smoothness 5/2."""
    scaled = SQRT5 * distances
    return (1 + scaled + np.square(scaled) / 3) * np.exp(-scaled)


def _matern_slope(distances: Array) -> Array:
    """The kernel's derivative by the logarithm of a length scale, divided by the square of the step along its axis."""
    scaled = SQRT5 * distances
    return (5 / 3) * (1 + scaled) * np.exp(-scaled)
