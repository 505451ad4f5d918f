"""The configurations by their mean over seeds."""

from __future__ import annotations

import math
import re
import statistics
from typing import Any

from pydantic import BaseModel, ConfigDict

from lightsearch.confirm.runs import Phase, RunOutcome, configuration_name
from lightsearch.confirm.seed_statistics import Summary, summarise
from lightsearch.outcome import Kind

SHARES = re.compile(r"acc|(?<![a-z])(f1|precision|recall|auc|auroc|dice|iou)")
"""Names of metrics that are shares, whose values are in [0, 1]."""


class Candidate(BaseModel):
    """A configuration to be confirmed."""

    model_config = ConfigDict(frozen=True)

    trial: int | None
    """The trial of the search that had it; None for the defaults of the model and the data."""
    params: dict[str, Any]
    earlier: list[Phase] = []
    """What its training began with, if its trial began from the checkpoint of another one."""
    trained: int | None = None
    """The epochs that its trial trained, if a scheduler decided that; its runs train as many. None: early stopping or
    ``max_epochs`` ends them."""
    search_value: float | None = None
    """The metric in the search, with the one seed of its trial."""

    @property
    def label(self) -> str:
        return configuration_name(self.trial)


class Ranked(Candidate):
    """A configuration with its results over seeds."""

    values: list[float]
    """The metric of each seed's best epoch, in the order of the seeds, without failed runs."""
    seeds: list[int]
    epochs: list[int]
    """The number of epochs up to and including the best, for each seed."""
    failures: list[str]
    """How each failed run ended."""
    mean: float | None
    """None if every run failed."""
    sd: float | None
    interval: tuple[float, float] | None
    cut: bool = False
    """Whether the interval is clipped to [0, 1], because the metric is a share."""

    @property
    def best_epochs(self) -> int:
        """The median of ``epochs``, at least 1."""
        return max(1, round(statistics.median(self.epochs)))

    @property
    def failed(self) -> str:
        """How many runs failed, in words."""
        return f"{len(self.failures)} of its {len(self.values) + len(self.failures)} runs failed"


def rank(
    candidates: list[Candidate], outcomes: list[list[RunOutcome]], direction: str, metric: str = ""
) -> list[Ranked]:
    """The candidates by their mean over seeds, the best first; of equal ones, the better in the search first.

    A candidate with failed runs comes after all candidates with fewer: training it again may fail as well.

    Args:
        candidates: In the order of the search.
        outcomes: The runs of each candidate, in the order of the seeds.
        direction: ``maximize`` or ``minimize``.
        metric: The metric's name; the interval of a share is clipped to [0, 1].
    """
    sign = -1 if direction == "maximize" else 1
    is_share = SHARES.search(metric.lower()) is not None
    ranked = [_summarised(candidate, runs, is_share) for candidate, runs in zip(candidates, outcomes, strict=True)]
    return sorted(ranked, key=lambda one: (len(one.failures), math.inf if one.mean is None else sign * one.mean))


def _summarised(candidate: Candidate, outcomes: list[RunOutcome], is_share: bool) -> Ranked:
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
        failures=[_describe_failure(run) for run in outcomes if run not in trained],
        mean=summary.mean if values else None,
        sd=summary.sd,
        interval=interval,
        cut=interval != summary.interval,
    )


def _describe_failure(run: RunOutcome) -> str:
    return f"seed {run.seed}: {run.kind}" + (f", {run.error.type}: {run.error.message}" if run.error else "")
