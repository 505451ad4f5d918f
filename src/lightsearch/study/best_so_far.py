"""The best value so far, while a search runs: also that of a trial that has not ended, where trials pause."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from lightsearch.study.leaders import leaders
from lightsearch.study.origin import is_foreign
from lightsearch.study.pareto import as_list
from lightsearch.study.racing import run_values
from lightsearch.study.scheduling import UNTIL
from lightsearch.study.status import is_paused, status_of


class BestSoFar(NamedTuple):
    """The trial with the best value so far."""

    number: int
    value: float
    """The metric of its best epoch; with ``[validation]``, the mean over its runs so far."""
    params: dict[str, Any]
    status: str
    """``paused`` or ``running`` if it has not ended; else empty."""

    @property
    def trial(self) -> str:
        """``trial 3``, or ``trial 3, paused``."""
        return f"trial {self.number}" + (f", {self.status}" if self.status else "")


def best_so_far(trials: list[FrozenTrial], direction: str | Sequence[str]) -> BestSoFar | None:
    """The best complete trial, or one that a scheduler has begun and that is ahead of it; None: there is neither.

    The best trial of a study is a complete one. A scheduler trains the best of its trials to its end, so that this one
    becomes it, or is overtaken.

    Args:
        trials: All trials of the study.
        direction: ``maximize`` or ``minimize``; with several objectives, one for each, and complete trials only.
    """
    complete = leaders(trials, direction, 1)
    best = None
    if complete and complete[0].value is not None:
        best = BestSoFar(complete[0].number, complete[0].value, complete[0].params, "")
    if len(as_list(direction)) > 1:
        return best
    sign = -1.0 if as_list(direction)[0] == "minimize" else 1.0
    for trial in trials:
        if not _is_scheduled(trial):
            continue
        value = max((sign * one for one in trial.intermediate_values.values() if math.isfinite(one)), default=None)
        if runs := run_values(trial):
            value = sign * statistics.fmean(runs)
        if value is not None and (best is None or value > sign * best.value):
            best = BestSoFar(trial.number, sign * value, trial.params, str(status_of(trial)))
    return best


def _is_scheduled(trial: FrozenTrial) -> bool:
    """Whether a trial is one that a scheduler may yet continue."""
    runs = trial.state is TrialState.RUNNING and UNTIL in trial.user_attrs
    return (runs or is_paused(trial)) and not is_foreign(trial)
