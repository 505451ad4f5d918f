"""A check for a pruner that stops good trials."""

from __future__ import annotations

from collections.abc import Iterator

from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import NOT_RESUMED, NOT_WORTH, REPLACED, STOPPED_BY_USER
from lightsearch.report.diagnostics.as_toml import as_toml
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView
from lightsearch.report.readers import as_dict, first_epoch
from lightsearch.study import pareto
from lightsearch.study.epoch_values import curve_of, epoch_values_of

MIN_AHEAD_SHARE = 0.05
"""The share of the pruned trials that a finding needs."""


def find_pruner(view: StudyView) -> Iterator[Finding]:
    """Pruned trials that were ahead of the winner, or of the front, at the epoch in which they were stopped."""
    pruned = [t for t in view.trials if t.state is TrialState.PRUNED and curve_of(t)]
    pruned = [t for t in pruned if not _is_ended_otherwise(view, t)]
    if not view.complete or not pruned:
        return
    several = len(view.directions) > 1
    winners = pareto.non_dominated(view.trials, view.directions) if several else view.complete[:1]
    ahead = []
    for trial in pruned:
        last = max(curve_of(trial))
        own, theirs = _until(view, trial, last), [_until(view, winner, last) for winner in winners]
        # A front has many trials: some are slow at first, and others of it may be ahead of the pruned trial.
        if any(_is_ahead(own, its) for its in theirs) and not any(_is_ahead(its, own) for its in theirs):
            ahead.append(last)
    if len(ahead) < max(1, MIN_AHEAD_SHARE * len(pruned)):
        return
    whom = "a trial of the eventual front" if several else f"the eventual winner, trial {winners[0].number},"
    latest = max(ahead) + first_epoch(view.declared)
    yield Finding(
        "pruner",
        f"{len(ahead):,} of {len(pruned):,} pruned trials were ahead of {whom} at the epoch in which they were stopped "
        f"(the latest: {'step' if view.of_function else 'epoch'} {latest}).",
        _hint(view, warmup=max(ahead) + 1),
    )


def _is_ended_otherwise(view: StudyView, trial: FrozenTrial) -> bool:
    """Whether the pruner did not end it: the user did, it was paused and the scheduler did not resume it, or it lost
    the race for further runs."""
    outcome = view.outcomes.get(trial.number)
    if outcome is None:
        return False
    reason = outcome.stop_reason
    return reason in (STOPPED_BY_USER, NOT_RESUMED) or reason.startswith((NOT_WORTH, REPLACED))


def _until(view: StudyView, trial: FrozenTrial, epoch: int) -> list[float] | None:
    """What a trial would have if it had ended at an epoch: its best epoch by the first objective; more is better."""
    values = epoch_values_of(trial) or {step: [value] for step, value in curve_of(trial).items()}
    signs = [-1.0 if direction == "minimize" else 1.0 for direction in view.directions]
    reached = [values[step] for step in sorted(values) if step <= epoch and len(values[step]) == len(signs)]
    signed = [[sign * value for sign, value in zip(signs, one, strict=True)] for one in reached]
    return max(signed, key=lambda one: one[0], default=None)


def _is_ahead(one: list[float] | None, other: list[float] | None) -> bool:
    """Whether values are better in one objective, and worse in none."""
    if one is None or other is None or one == other:
        return False
    return all(own >= its for own, its in zip(one, other, strict=True))


def _hint(view: StudyView, warmup: int) -> str:
    """A later start for a pruner that has one, if that leaves it half of the epochs; else a milder pruner."""
    max_epochs = view.max_epochs or 0
    declared = as_dict(as_dict(view.attrs.get("search")).get("pruner"))
    name, arguments = declared.get("name", "MedianPruner"), declared.get("init_args", {})
    if name in ("MedianPruner", "PercentilePruner", "DominatedPruner") and warmup <= max_epochs / 2:
        line = as_toml({**arguments, "n_warmup_steps": warmup})
        return f"Prune later: write `init_args = {line}` in [pruner]."
    if len(view.directions) > 1:
        line = as_toml({**arguments, "margin": 2 * arguments.get("margin", 0.2) or 0.2})
        return f"Prune by a wider margin: write `init_args = {line}` in [pruner]."
    warmup = min(warmup, max_epochs // 4)
    line = as_toml({"percentile": 75.0, "n_startup_trials": 10, "n_warmup_steps": warmup})
    return f'Prune the worst quarter only: write `name = "PercentilePruner"` and `init_args = {line}` in [pruner].'
