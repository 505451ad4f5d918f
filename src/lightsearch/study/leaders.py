"""The outcomes of a study's best trials, and of its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from lightsearch.outcome import Outcome
from lightsearch.study import pareto
from lightsearch.study.origin import is_foreign, outcome_of


def leaders(trials: list[FrozenTrial], direction: str | Sequence[str], limit: int | None = None) -> list[Outcome]:
    """The outcomes of the complete trials, the best first; of equal trials the earlier first.

    With several objectives the trials are ranked by the first objective, equal ones by the next. The trials of other
    programs are left out (see ``origin``).

    Args:
        trials: All trials of the study.
        direction: ``maximize`` or ``minimize``; with several objectives one for each.
        limit: How many outcomes; all if None.
    """
    ranked = pareto.ranked(_own(trials), pareto.as_list(direction))
    return [outcome for trial in ranked[:limit] if (outcome := outcome_of(trial))]


def pareto_front(trials: list[FrozenTrial], directions: Sequence[str]) -> list[Outcome]:
    """The outcomes of the Pareto front of several objectives, in the order of ``leaders``.

    Args:
        trials: All trials of the study.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    return [outcome for trial in pareto.non_dominated(_own(trials), directions) if (outcome := outcome_of(trial))]


def _own(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if not is_foreign(trial)]
