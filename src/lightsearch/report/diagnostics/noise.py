"""A check for leaders whose order is luck."""

from __future__ import annotations

from collections.abc import Iterator

from lightsearch.report.accuracy import n_val_of, standard_error
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView

MAX_TOP = 5
"""The most leaders that the hint proposes to retrain."""


def find_noise(view: StudyView) -> Iterator[Finding]:
    """Leaders within one standard error of the best trial."""
    if len(view.complete) < 2:
        return
    if any(one is not None and one.run_values for one in view.outcomes.values()):
        return  # values are means over runs, which a binomial error says nothing about
    n_val = n_val_of(view.attrs, view.outcomes.get(view.complete[0].number))
    best = view.score(view.complete[0])
    error = standard_error(view.metric, view.sign * best, n_val)
    if error is None:
        return
    near = sum(best - view.score(trial) <= error for trial in view.complete)
    if near > 1:
        yield Finding(
            "noise",
            f"The first {near:,} of {len(view.complete):,} complete trials lie within one standard error of the best "
            f"({100 * error:.2f} points on {n_val:,} validation samples): their order is partly luck.",
            f"Confirm them on fresh seeds: `lightsearch retrain --study {view.name} --top {min(near, MAX_TOP)}`.",
        )
