"""Which configuration is the best, and how sure that is: means over seeds, and the first against the second."""

from __future__ import annotations

import math
import re
import statistics
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from lightsearch.confirm.runs import RunOutcome, configuration_name
from lightsearch.outcome import Kind

CERTAIN = 0.95
"""Below this probability of the first beating the second, the two are said to be within the noise of the seeds."""


SHARES = re.compile(r"acc|(?<![a-z])(f1|precision|recall|auc|auroc|dice|iou)")
"""Names of metrics that are shares, whose values lie in [0, 1]."""


class Summary(NamedTuple):
    """Values of one configuration over seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation (divisor n - 1); None for one value."""
    interval: tuple[float, float] | None
    """95% confidence interval of the mean; None for one value."""


class Candidate(BaseModel):
    """A configuration to be confirmed."""

    model_config = ConfigDict(frozen=True)

    trial: int | None
    """The trial that it comes from; None: the defaults of the model and the data."""
    params: dict[str, Any]
    search_value: float | None = None
    """The metric that it had in the search, with the one seed of its trial."""

    @property
    def label(self) -> str:
        return configuration_name(self.trial)


class Ranked(Candidate):
    """A configuration and what its seeds came to."""

    values: list[float]
    """The metric of each seed's best epoch, in the order of the seeds; failed ones are left out."""
    seeds: list[int]
    epochs: list[int]
    """The number of epochs after which each seed's model was at its best."""
    failures: list[str]
    """What became of the seeds that failed."""
    mean: float | None
    """None: every seed failed."""
    sd: float | None
    interval: tuple[float, float] | None
    cut: bool = False
    """Whether the interval went on beyond 0 or 1, where a share ends, and was cut off there."""

    @property
    def best_epochs(self) -> int:
        """The median number of epochs after which its models were at their best, at least 1."""
        return max(1, round(statistics.median(self.epochs)))

    @property
    def failed(self) -> str:
        """How many of its runs failed, in words."""
        return f"{len(self.failures)} of its {len(self.values) + len(self.failures)} runs failed"


def rank(
    candidates: list[Candidate], outcomes: list[list[RunOutcome]], direction: str, metric: str = ""
) -> list[Ranked]:
    """The candidates by their mean over seeds, the best first; of equals the one that led the search.

    One that failed on some of its seeds comes after all that did not: whoever trains it again may fail as well.

    Args:
        candidates: In the order of the search.
        outcomes: For each of them its runs, in the order of the seeds.
        direction: ``maximize`` or ``minimize``.
        metric: Its name; the intervals of a share are cut off at 0 and at 1.
    """
    sign = -1 if direction == "maximize" else 1
    is_share = SHARES.search(metric.lower()) is not None
    ranked = [_judge(candidate, runs, is_share) for candidate, runs in zip(candidates, outcomes, strict=True)]
    return sorted(ranked, key=lambda one: (len(one.failures), math.inf if one.mean is None else sign * one.mean))


def summarise(values: list[float]) -> Summary:
    """Mean, standard deviation and Student's 95% interval of the mean (Student, "The probable error of a mean", 1908).

    The interval speaks of the luck of the seeds: initial weights and order of the samples. All values come from one
    split, whose luck they share.

    Args:
        values: The metric, one value a seed; at least one.
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

    Both means and both spreads are unknown and nothing is assumed of them beforehand: the posterior of the
    difference is the Behrens-Fisher distribution (Box and Tiao, "Bayesian Inference in Statistical Analysis", 1973,
    2.5), here by Student's distribution with Welch's degrees of freedom ("The generalization of 'Student's' problem",
    1947). It is one minus the one-sided p-value of Welch's test.

    Args:
        first: The metric, one value a seed.
        second: The same of the other configuration.
        direction: ``maximize`` or ``minimize``.

    Returns:
        In [0, 1]; None where one of them has a single value, whose spread nobody knows.
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


def _judge(candidate: Candidate, outcomes: list[RunOutcome], is_share: bool) -> Ranked:
    trained = [run for run in outcomes if run.kind is Kind.COMPLETE and run.value is not None]
    values = [float(run.value) for run in trained if run.value is not None]
    summary = summarise(values) if values else Summary(math.nan, None, None)
    interval = summary.interval
    if interval is not None and is_share and all(0 <= value <= 1 for value in values):
        interval = (max(interval[0], 0.0), min(interval[1], 1.0))
    return Ranked(
        **candidate.model_dump(),
        values=values,
        seeds=[int(run.seed or 0) for run in trained],
        epochs=[int(run.best_epoch or 0) + 1 for run in trained],
        failures=[_failure(run) for run in outcomes if run not in trained],
        mean=summary.mean if values else None,
        sd=summary.sd,
        interval=interval,
        cut=interval != summary.interval,
    )


def _failure(run: RunOutcome) -> str:
    return f"seed {run.seed}: {run.kind}" + (f", {run.error.type}: {run.error.message}" if run.error else "")


class Confirmation(BaseModel):
    """What fresh seeds say of the leaders: ``confirm.json``."""

    model_config = ConfigDict(frozen=True)

    study: str
    metric: str
    direction: str
    ranked: list[Ranked]
    """The best first; that one is chosen. Fewer failed runs come first, and of equals the mean decides."""
    probability: float | None
    """That the first really beats the second; None: there is no second, or too few seeds."""
    within_noise: bool
    """The first's lead is no more than the luck of the seeds would give."""
    versions: dict[str, str]
    finished: str
    """When, in UTC, as in ISO 8601."""

    @property
    def chosen(self) -> Ranked:
        return self.ranked[0]

    @property
    def verdict(self) -> str:
        """The choice in a sentence."""
        chosen = self.chosen
        text = f"chosen: {chosen.label}, {self.metric} {chosen.mean:.5f}"
        if chosen.interval is not None:
            cut = ", cut off where a share ends" if chosen.cut else ""
            ends = f"{chosen.interval[0]:.5f} to {chosen.interval[1]:.5f}{cut}"
            text += f" (95% interval {ends}, {len(chosen.values)} seeds)"
        if len(self.ranked) > 1 and self.probability is not None:
            text += f"; it beats {self.ranked[1].label} with probability {self.probability:.2f}"
            text += ", so the two are within the noise of the seeds" if self.within_noise else ""
        if chosen.failures:
            text += f"; {chosen.failed}"
        for one in self.ranked[1:]:
            if one.mean is not None and chosen.mean is not None and self._better(one.mean, chosen.mean):
                text += f"; {one.label} has a better mean, {one.mean:.5f}, but {one.failed}"
        return text

    def _better(self, one: float, other: float) -> bool:
        return one > other if self.direction == "maximize" else one < other
