"""The statistics of a metric over seeds."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple


class Summary(NamedTuple):
    """The values of one configuration over seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation (divisor n - 1); None for one value."""
    interval: tuple[float, float] | None
    """95% confidence interval of the mean; None for one value."""


def summarise(values: list[float]) -> Summary:
    """Mean, standard deviation and Student's 95% interval of the mean (Student, "The probable error of a mean", 1908).

    The interval covers the luck of the seeds: initial weights and order of the samples. It does not cover the luck of
    the split, which all values share.

    Args:
        values: The metric, one value per seed; at least one.
    """
    from scipy.special import stdtrit

    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Summary(mean, None, None)
    sd = statistics.stdev(values)
    half = float(stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)
    return Summary(mean, sd, (mean - half, mean + half))


def probability_better(first: list[float], second: list[float], direction: str) -> float | None:
    """The probability that the first's true mean is better than the second's, given these seeds.

    Both means and both spreads are unknown, with no prior knowledge: the posterior of the difference is the
    Behrens-Fisher distribution (Box and Tiao, "Bayesian Inference in Statistical Analysis", 1973, 2.5), approximated by
    Student's distribution with Welch's degrees of freedom ("The generalization of 'Student's' problem", 1947). It is
    one minus the one-sided p-value of Welch's test.

    Args:
        first: The metric, one value per seed.
        second: The same of the other configuration.
        direction: ``maximize`` or ``minimize``.

    Returns:
        In [0, 1]; None if one of them has a single value, whose spread is unknown.
    """
    from scipy.special import stdtr

    if len(first) < 2 or len(second) < 2:
        return None
    difference = statistics.fmean(first) - statistics.fmean(second)
    difference = difference if direction == "maximize" else -difference
    a, b = statistics.variance(first) / len(first), statistics.variance(second) / len(second)
    if a + b == 0:
        return 0.5 if difference == 0 else float(difference > 0)
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    return float(stdtr(freedom, difference / math.sqrt(a + b)))
