"""All checks of a study, in the order of their findings.

A check is a function that takes a ``StudyView`` and yields a ``Finding`` for everything that it finds. To add one,
write it in a file of its own and add it to ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from lightsearch.report.diagnostics.bounds import find_bounds
from lightsearch.report.diagnostics.failures import find_failures
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.further_gain import find_further_gain
from lightsearch.report.diagnostics.max_epochs import find_max_epochs
from lightsearch.report.diagnostics.no_effect import find_no_effect
from lightsearch.report.diagnostics.noise import find_noise
from lightsearch.report.diagnostics.other_programs import find_other_programs
from lightsearch.report.diagnostics.pruner import find_pruner
from lightsearch.report.diagnostics.repetitions import find_repetitions
from lightsearch.report.diagnostics.study_view import StudyView

if TYPE_CHECKING:
    import optuna


class Check(NamedTuple):
    """One check."""

    find: Callable[[StudyView], Iterator[Finding]]
    multi_objective: bool
    """Whether it also holds for several objectives, where no single one decides which trial is better."""


CHECKS = (
    Check(find_other_programs, multi_objective=True),
    Check(find_failures, multi_objective=True),
    Check(find_bounds, multi_objective=False),
    Check(find_noise, multi_objective=False),
    Check(find_max_epochs, multi_objective=False),
    Check(find_pruner, multi_objective=True),
    Check(find_repetitions, multi_objective=True),
    Check(find_no_effect, multi_objective=False),
    Check(find_further_gain, multi_objective=False),
)


def diagnose(study: optuna.Study) -> list[Finding]:
    """The findings of all checks. Fast, and without pandas or torch: every command may end with it.

    Args:
        study: Any Optuna study, finished or not. A check is silent where the study does not hold what it needs.
    """
    view = StudyView(study)
    checks = [check for check in CHECKS if check.multi_objective or len(study.directions) == 1]
    return [finding for check in checks for finding in check.find(view)]
