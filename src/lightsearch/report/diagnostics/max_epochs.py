"""A check for trials that needed more epochs."""

from __future__ import annotations

from collections.abc import Iterator

from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import MIN_TRIALS, StudyView

MIN_CUT = 3
"""Trials that a finding needs if the best is not among them, ..."""
MIN_CUT_SHARE = 0.25
"""... and their share of the complete trials."""


def find_max_epochs(view: StudyView) -> Iterator[Finding]:
    """Trials whose last epoch was the best when ``max_epochs`` ended them."""
    max_epochs = view.max_epochs
    if view.of_function or len(view.complete) < MIN_TRIALS or max_epochs is None or "max_epochs" in view.distributions:
        return
    cut = [
        trial.number
        for trial in view.complete
        if (outcome := view.outcomes.get(trial.number))
        and outcome.stop_reason == "max_epochs"
        and outcome.best_epoch == outcome.first_epoch + outcome.curve_epochs - 1
    ]
    best_is_cut = view.complete[0].number in cut
    if best_is_cut or len(cut) >= max(MIN_CUT, MIN_CUT_SHARE * len(view.complete)):
        among = ", the best among them," if best_is_cut else ""
        yield Finding(
            "max-epochs",
            f"{len(cut):,} of {len(view.complete):,} complete trials{among} reached their best value in the last "
            f"epoch, so max_epochs = {max_epochs} was probably too low.",
            f"To train longer, write `max_epochs = {2 * max_epochs}` in [trainer]{view.in_new_study}.",
        )
