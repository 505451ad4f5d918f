"""An estimate of what further trials may gain, from the trials that finished last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.9
"""The probability with which the gain is below the upper bound."""

DRAWS = 10_000
"""Samples of the predictive distribution: they fix its mean and its bound to about 2 percent."""


class RemainingGain(NamedTuple):
    """What the next trials may gain over the best value, in the unit of the metric."""

    expected: float
    """The mean gain."""
    upper: float
    """The gain is at most this with probability ``CONFIDENCE``."""
    horizon: int
    """The number of further trials."""
    best: float
    """The best value so far."""


def remaining_gain(values: Sequence[float], horizon: int, *, maximize: bool) -> RemainingGain | None:
    """Estimates what the next ``horizon`` trials gain over the best value so far.

    The next trials are taken to be like the last ones, as many of them. Two classical results then apply. The best of
    n further trials exceeds the best of n trials with probability 1/2 if all are alike (Renyi 1962, on records). Above
    a high threshold, here the median of the last trials, values are about exponentially distributed (Pickands 1975;
    Weissman 1978, on the largest order statistics), and lighter tailed if the metric has a limit. Then the excess of
    the further maximum over the present one is logistic, with the mean excess over the threshold as its scale; the
    scale has the posterior of k exponential values. A sampler that learns makes later trials better, but by less and
    less: hence the last trials alone.

    Args:
        values: The values of the finished trials, in the order of their numbers. A pruned trial counts with the best
            value that it reported.
        horizon: The number of further trials.
        maximize: Whether more is better.

    Returns:
        The estimate; None if there are fewer than ``horizon`` trials.
    """
    if len(values) < horizon:
        return None
    better = np.array(values, float) * (1 if maximize else -1)
    last = np.sort(better[-horizon:])[::-1]
    count = horizon // 2
    scale = float(np.mean(last[:count] - last[count]))
    random = np.random.default_rng(0)
    scales = scale * count / random.gamma(count, size=DRAWS)
    excess = scales * random.logistic(size=DRAWS)
    gain = np.maximum(0.0, excess - (better.max() - last[0]))
    best = float(better.max()) * (1 if maximize else -1)
    return RemainingGain(float(gain.mean()), float(np.quantile(gain, CONFIDENCE)), horizon, best)
