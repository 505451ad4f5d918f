"""Findings about training: noise, the number of epochs, the pruner."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from lightsearch.report.diagnostics.as_toml import as_inline_table
from lightsearch.report.diagnostics.case import (
    MIN_TRIALS,
    Case,
    Finding,
    best_until,
    standard_error,
    table,
    validated_on,
)
from lightsearch.report.diagnostics.failures import MANY_FAILURES, MANY_FAILURES_SHARE

if TYPE_CHECKING:
    pass

RETRAIN_AT_MOST = 5


def find_noise(case: Case) -> Iterator[Finding]:
    if len(case.complete) < 2:
        return
    n_val = validated_on(case.attrs, case.outcomes.get(case.complete[0].number))
    best = case.score(case.complete[0])
    error = standard_error(case.metric, case.sign * best, n_val)
    if error is None:
        return
    near = sum(best - case.score(trial) <= error for trial in case.complete)
    if near > 1:
        yield Finding(
            "noise",
            f"The first {near:,} of {len(case.complete):,} complete trials lie within one standard error of the best "
            f"({100 * error:.2f} points on {n_val:,} validation samples): their order is partly luck.",
            f"Confirm them on fresh seeds: `python -m search.retrain --study {case.name} "
            f"--top {min(near, RETRAIN_AT_MOST)}`.",
        )


def find_max_epochs(case: Case) -> Iterator[Finding]:
    max_epochs = case.max_epochs
    if case.of_function or len(case.complete) < MIN_TRIALS or max_epochs is None or "max_epochs" in case.distributions:
        return
    cut = [
        trial.number
        for trial in case.complete
        if (outcome := case.outcomes.get(trial.number))
        and outcome.stop_reason == "max_epochs"
        and outcome.best_epoch == outcome.epochs - 1
    ]
    best = case.complete[0].number in cut
    if best or len(cut) >= max(MANY_FAILURES, len(case.complete) / 4):
        among = ", the best among them," if best else ""
        yield Finding(
            "max-epochs",
            f"{len(cut):,} of {len(case.complete):,} complete trials{among} had their best epoch last when "
            f"max_epochs = {max_epochs} ended them.",
            f"To let them go on, write `max_epochs = {2 * max_epochs}` in [trainer]{case.renamed}.",
        )


def find_pruner(case: Case) -> Iterator[Finding]:
    pruned = [t for t in case.trials if t.state is TrialState.PRUNED and t.intermediate_values]
    if not case.complete or not pruned:
        return
    winner = case.complete[0]
    ahead = []
    for trial in pruned:
        last = max(trial.intermediate_values)
        its, winners = (best_until(case, t, last) for t in (trial, winner))
        if its > winners > -math.inf:
            ahead.append(last)
    if len(ahead) < max(1, MANY_FAILURES_SHARE * len(pruned)):
        return
    warmup = max(ahead) + 1
    max_epochs = case.max_epochs or 0
    spec = table(table(case.attrs.get("search")).get("pruner"))
    name, arguments = spec.get("name", "MedianPruner"), spec.get("init_args", {})
    if name in ("MedianPruner", "PercentilePruner") and warmup <= max_epochs / 2:
        line = as_inline_table({**arguments, "n_warmup_steps": warmup})
        hint = f"Prune later: write `init_args = {line}` in [pruner]."
    else:
        line = as_inline_table(
            {"percentile": 75.0, "n_startup_trials": 10, "n_warmup_steps": min(warmup, max_epochs // 4)}
        )
        hint = f'Prune the worst quarter only: write `name = "PercentilePruner"` and `init_args = {line}` in [pruner].'
    yield Finding(
        "pruner",
        f"{len(ahead):,} of {len(pruned):,} pruned trials were ahead of the eventual winner, trial {winner.number}, "
        f"at the epoch in which they were stopped (the latest: epoch {max(ahead)}).",
        hint,
    )
