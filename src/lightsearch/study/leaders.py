"""The best trials of a study, or its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from lightsearch.outcome import Outcome
from lightsearch.study import pareto
from lightsearch.study.origin import is_foreign, outcome_of


def leaders(trials: list[FrozenTrial], direction: str | Sequence[str], limit: int | None = None) -> list[Outcome]:
    """The complete trials of lightsearch's own, the best first; of equals the earlier (see ``origin``).

    Of several objectives the first ranks; of equals the next, before the earlier.

    Args:
        trials: All trials of the study.
        direction: ``maximize`` or ``minimize``; of several objectives one for each.
        limit: How many of them; all if None.
    """
    ranked = pareto.ranked([trial for trial in trials if not is_foreign(trial)], pareto.as_list(direction))
    return [outcome for trial in ranked[:limit] if (outcome := outcome_of(trial))]


def pareto_front(trials: list[FrozenTrial], directions: Sequence[str]) -> list[Outcome]:
    """The Pareto front of several objectives, in the order of ``leaders``.

    Args:
        trials: All trials of the study.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    ours = [trial for trial in trials if not is_foreign(trial)]
    return [outcome for trial in pareto.non_dominated(ours, directions) if (outcome := outcome_of(trial))]
