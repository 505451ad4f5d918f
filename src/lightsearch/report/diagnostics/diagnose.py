"""What a study's trials say about the search itself: one sentence with the figure, and the exact hint.

Quick, and without pandas or torch, so that every command can end with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lightsearch.report.diagnostics.budget import find_repetitions
from lightsearch.report.diagnostics.case import Case, Finding
from lightsearch.report.diagnostics.failures import find_failures, find_others
from lightsearch.report.diagnostics.space import find_bounds, find_no_effect
from lightsearch.report.diagnostics.training import find_max_epochs, find_noise, find_pruner

if TYPE_CHECKING:
    import optuna


def diagnose(study: optuna.Study) -> list[Finding]:
    """Examines a study, finished or not; what it needs and does not find it passes over.

    Args:
        study: Any Optuna study. Of several objectives none is the one by which trials lead or parameters have an
            effect: what asks for that is left out.
    """
    case = Case(study)
    examinations: list[Callable[[Case], Iterator[Finding]]] = [find_others, find_failures, find_repetitions]
    if len(study.directions) == 1:
        examinations = [
            find_others,
            find_failures,
            find_bounds,
            find_noise,
            find_max_epochs,
            find_pruner,
            find_repetitions,
            find_no_effect,
        ]
    return [finding for examine in examinations for finding in examine(case)]
