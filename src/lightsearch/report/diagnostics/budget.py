"""Findings about what trials were spent on: configurations that were trained more than once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from lightsearch.report.diagnostics.case import Case, Finding

if TYPE_CHECKING:
    pass


def find_repetitions(case: Case) -> Iterator[Finding]:
    finished = [t for t in case.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.params]
    points = {tuple(sorted((name, str(value)) for name, value in trial.params.items())) for trial in finished}
    sizes = [_size(distribution) for distribution in case.distributions.values()]
    size = math.prod(sizes) if sizes else math.inf
    if not finished:
        return
    if len(points) >= size:
        yield Finding(
            "exhausted",
            f"All {size:.0f} points of the space have been tried, in {len(finished)} trials.",
            f"Widen the space{case.renamed}{case.confirmed}.",
        )
    elif len(points) < len(finished):
        hint = 'Let no point be visited twice: write `name = "BruteForceSampler"` in [sampler], without init_args.'
        if size == math.inf:
            hint = f"Widen the space{case.renamed}: the sampler has little left to propose."
        yield Finding(
            "duplicates",
            f"{len(finished) - len(points):,} of {len(finished):,} finished trials repeat an earlier one's parameters.",
            hint,
        )


def _size(distribution: BaseDistribution) -> float:
    """How many values there are; infinite for a continuous range."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    assert isinstance(distribution, FloatDistribution)
    step = distribution.step
    return math.floor((distribution.high - distribution.low) / step + 1e-9) + 1 if step else math.inf
