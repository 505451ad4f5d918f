"""A check for configurations that were trained more than once."""

from __future__ import annotations

import math
from collections.abc import Iterator

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView
from lightsearch.study.lineage import start_of
from lightsearch.study.origin import FINISHED


def find_repetitions(view: StudyView) -> Iterator[Finding]:
    """A space of which every point was tried, or points that were tried again."""
    # A copy has the parameters of its parent on purpose, or others that no sampler proposed.
    finished = [t for t in view.trials if t.state in FINISHED and t.params and start_of(t.user_attrs) is None]
    if not finished:
        return
    points = {tuple(sorted((name, str(value)) for name, value in trial.params.items())) for trial in finished}
    sizes = [_size(distribution) for distribution in view.distributions.values()]
    size = math.prod(sizes) if sizes else math.inf
    if len(points) >= size:
        yield Finding(
            "exhausted",
            f"All {size:.0f} points of the space have been tried, in {len(finished)} trials.",
            f"Widen the space{view.in_wider_space}{view.or_confirm}.",
        )
    elif len(points) < len(finished):
        hint = 'To visit no point twice, write `name = "BruteForceSampler"` in [sampler], without init_args.'
        if size == math.inf:
            hint = f"Widen the space{view.in_wider_space}: the sampler has little left to propose."
        yield Finding(
            "duplicates",
            f"{len(finished) - len(points):,} of {len(finished):,} finished trials repeat an earlier one's parameters.",
            hint,
        )


def _size(distribution: BaseDistribution) -> float:
    """The number of values; infinite for a continuous range."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    assert isinstance(distribution, FloatDistribution)
    step = distribution.step
    return math.floor((distribution.high - distribution.low) / step + 1e-9) + 1 if step else math.inf
