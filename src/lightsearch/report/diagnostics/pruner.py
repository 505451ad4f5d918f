"""A check for a pruner that stops good trials."""

from __future__ import annotations

import math
from collections.abc import Iterator

from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import STOPPED_BY_USER
from lightsearch.report.diagnostics.as_toml import as_toml
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView
from lightsearch.report.readers import as_dict

MIN_AHEAD_SHARE = 0.05
"""The share of the pruned trials that a finding needs."""


def find_pruner(view: StudyView) -> Iterator[Finding]:
    """Pruned trials that were ahead of the winner at the epoch in which they were stopped."""
    pruned = [t for t in view.trials if t.state is TrialState.PRUNED and t.intermediate_values]
    pruned = [t for t in pruned if not _is_stopped_by_user(view, t)]
    if not view.complete or not pruned:
        return
    winner = view.complete[0]
    ahead = []
    for trial in pruned:
        last = max(trial.intermediate_values)
        if _best_until(view, trial, last) > _best_until(view, winner, last) > -math.inf:
            ahead.append(last)
    if len(ahead) < max(1, MIN_AHEAD_SHARE * len(pruned)):
        return
    yield Finding(
        "pruner",
        f"{len(ahead):,} of {len(pruned):,} pruned trials were ahead of the eventual winner, trial {winner.number}, "
        f"at the epoch in which they were stopped (the latest: epoch {max(ahead)}).",
        _hint(view, warmup=max(ahead) + 1),
    )


def _is_stopped_by_user(view: StudyView, trial: FrozenTrial) -> bool:
    outcome = view.outcomes.get(trial.number)
    return outcome is not None and outcome.stop_reason == STOPPED_BY_USER


def _best_until(view: StudyView, trial: FrozenTrial, epoch: int) -> float:
    """The best reported value up to an epoch, which Optuna's pruners compare; more is better."""
    return max((view.sign * v for step, v in trial.intermediate_values.items() if step <= epoch), default=-math.inf)


def _hint(view: StudyView, warmup: int) -> str:
    """A later start for a pruner that has one, if that leaves it half of the epochs; else a milder pruner."""
    max_epochs = view.max_epochs or 0
    declared = as_dict(as_dict(view.attrs.get("search")).get("pruner"))
    name, arguments = declared.get("name", "MedianPruner"), declared.get("init_args", {})
    if name in ("MedianPruner", "PercentilePruner") and warmup <= max_epochs / 2:
        line = as_toml({**arguments, "n_warmup_steps": warmup})
        return f"Prune later: write `init_args = {line}` in [pruner]."
    warmup = min(warmup, max_epochs // 4)
    line = as_toml({"percentile": 75.0, "n_startup_trials": 10, "n_warmup_steps": warmup})
    return f'Prune the worst quarter only: write `name = "PercentilePruner"` and `init_args = {line}` in [pruner].'
