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
from scipy.linalg.lapack import dpotri
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

FIT_STEPS, REFIT_STEPS = 25, 10
"""Steps of the optimizer when hyperparameters are found for the first time, and again."""


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

    def and_also(self, others: Observations) -> Observations:
        """The observations and others of the same trials."""
        columns = [np.append(mine, theirs) for mine, theirs in zip(self[1:], others[1:], strict=True)]
        return Observations(self.configurations, *columns)


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
        self._found = False
        self._observations: Observations
        self._factor: Array
        self._weights: Array
        self._mean = 0.0

    def fit(self, observations: Observations) -> None:
        """Finds the hyperparameters, beginning at those found before, or at the prior's means.

        Args:
            observations: Some hundreds at most: the time is cubic.
        """
        args, options = (observations, Pairs.of(observations)), {"maxiter": REFIT_STEPS if self._found else FIT_STEPS}
        found = minimize(self._loss, self._theta, args=args, jac=True, method="L-BFGS-B", options=options)
        self._theta, self._found = found.x, True

    def condition(self, observations: Observations) -> None:
        """Takes the observations that predictions follow from."""
        self._observations = observations
        self._mean = float(observations.value.mean())
        self._factor = _factor(self._noisy_covariance(observations))
        self._weigh()

    def extend(self, others: Observations) -> None:
        """Takes further observations of the same trials, a few at most. The mean of the process stays."""
        cross = self._covariance(others, self._observations)
        left = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        corner = _factor(self._noisy_covariance(others) - left.T @ left)
        self._factor = np.block([[self._factor, np.zeros_like(left)], [left.T, corner]])
        self._observations = self._observations.and_also(others)
        self._weigh()

    def _weigh(self) -> None:
        residual = self._observations.value - self._mean
        self._weights = cho_solve((self._factor, True), residual, check_finite=False)

    def _noisy_covariance(self, observations: Observations) -> Array:
        covariance = self._covariance(observations, observations)
        covariance[np.diag_indices_from(covariance)] += math.exp(self._theta[-1])
        return covariance

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
        solved = solve_triangular(self._factor, cross.T, lower=True, check_finite=False, overwrite_b=True)
        others = np.exp(self._theta[self._n_axes :])
        prior = others[0] + others[1] + others[3] + others[4] * (1 - time) ** 2 + others[5] + others[6]
        return mean, np.sqrt(np.maximum(prior - np.square(solved).sum(axis=0), 1e-12))

    def _covariance(self, one: Observations, other: Observations) -> Array:
        final, growing, length, common, untrained, own, own_growing, _ = np.exp(self._theta[self._n_axes :])
        scales = np.exp(self._theta[: self._n_axes])
        between = _matern(_distances(one.configurations / scales, other.configurations / scales))
        alike = _spread(between, one.trial, other.trial)
        # Few times are different: what depends on them alone is computed for those.
        times, at = np.unique(one.time, return_inverse=True)
        other_times, other_at = np.unique(other.time, return_inverse=True)
        together = _matern(np.abs(times[:, None] - other_times[None, :]) / length)
        start = untrained * np.outer(1 - times, 1 - other_times)
        covariance = alike * _spread(final + growing * together, at, other_at)
        covariance += _spread(common * together + start, at, other_at)
        rows, columns = np.divmod(np.flatnonzero(one.trial[:, None] == other.trial[None, :]), len(other.trial))
        covariance[rows, columns] += (own + own_growing * together)[at[rows], other_at[columns]]
        return covariance

    def _loss(self, theta: Array, observations: Observations, pairs: Pairs) -> tuple[float, Array]:
        """The negative logarithm of the posterior of hyperparameters, and its gradient."""
        n_axes, trial, at = self._n_axes, observations.trial, pairs.at
        final, growing, length, common, untrained, own, own_growing, noise = np.exp(theta[n_axes:])
        scaled = observations.configurations / np.exp(theta[:n_axes])
        distances = _distances(scaled, scaled)
        alike = _spread(_matern(distances), trial, trial)
        # Few times are different: what depends on them alone is computed for those, and summed over those.
        gaps = np.abs(pairs.times[:, None] - pairs.times[None, :]) / length
        together, start = _matern(gaps), np.outer(1 - pairs.times, 1 - pairs.times)
        in_time = _spread(final + growing * together, at, at)
        covariance = alike * in_time
        covariance += _spread(common * together + untrained * start, at, at)
        rows, columns = pairs.same
        covariance[rows, columns] += (own + own_growing * together)[at[rows], at[columns]]
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        residual = observations.value - observations.value.mean()
        weights = cho_solve((factor, True), residual, check_finite=False)
        inner = _inverse(factor) - np.outer(weights, weights)  # twice the derivative of the loss by the covariance
        # Summed over the observations of each pair of trials, so that each length scale costs trials squared only.
        member = _one_hot(trial, len(scaled))
        by_pair = (member @ (inner * in_time) @ member.T) * _matern_slope(distances)
        gradient = np.empty_like(theta)
        for axis in range(n_axes):
            steps = scaled[:, axis, None] - scaled[None, :, axis]
            gradient[axis] = 0.5 * np.sum(by_pair * np.square(steps))
        moment = _one_hot(at, len(pairs.times))
        of_alike, of_all = moment @ (inner * alike) @ moment.T, moment @ inner @ moment.T
        of_same = np.zeros_like(of_all)
        np.add.at(of_same, (at[rows], at[columns]), inner[rows, columns])
        by_together = growing * of_alike + common * of_all + own_growing * of_same
        gradient[n_axes:] = 0.5 * np.array(
            [
                final * np.sum(of_alike),
                growing * np.sum(of_alike * together),
                np.sum(by_together * _matern_slope(gaps) * np.square(gaps)),
                common * np.sum(of_all * together),
                untrained * np.sum(of_all * start),
                own * np.sum(of_same),
                own_growing * np.sum(of_same * together),
                noise * np.trace(inner),
            ]
        )
        off = (theta - self._means) / self._deviations
        loss = 0.5 * residual @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        return float(loss), gradient + off / self._deviations


class Pairs(NamedTuple):
    """What the pairs of some observations have in common, whatever the hyperparameters."""

    times: Array
    """The different training times."""
    at: npt.NDArray[np.int64]
    """For each observation, the row of its time."""
    same: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    """The pairs of observations of the same trial."""

    @classmethod
    def of(cls, observations: Observations) -> Pairs:
        """Finds them."""
        times, at = np.unique(observations.time, return_inverse=True)
        rows, columns = np.nonzero(observations.trial[:, None] == observations.trial[None, :])
        return cls(times, at, (rows, columns))


def _one_hot(rows: npt.NDArray[np.int64], n: int) -> Array:
    """A matrix of shape ``(n, len(rows))`` that sums over what has the same row."""
    table = np.zeros((n, len(rows)))
    table[rows, np.arange(len(rows))] = 1.0
    return table


def _inverse(factor: Array) -> Array:
    """The inverse of a covariance from its lower Cholesky factor."""
    lower, _ = dpotri(factor, lower=1)  # its upper triangle is the factor's: zeros
    inverse: Array = lower + lower.T
    inverse[np.diag_indices_from(inverse)] /= 2
    return inverse


def _factor(covariance: Array) -> Array:
    """The Cholesky factor of a covariance, with as much on its diagonal as rounding makes necessary."""
    jitter, diagonal = JITTER, np.diag_indices_from(covariance)
    while True:
        lifted = covariance.copy()
        lifted[diagonal] += jitter
        try:
            factor: Array = cholesky(lifted, lower=True, check_finite=False)
            return factor
        except np.linalg.LinAlgError:
            jitter *= 10


def _spread(table: Array, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Array:
    """``table[np.ix_(rows, columns)]``, many times faster."""
    return table.take(columns, axis=1).take(rows, axis=0)


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
