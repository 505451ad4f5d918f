"""Findings about trials that failed, and about trials of other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from lightsearch.outcome import Kind
from lightsearch.report.diagnostics.as_toml import as_declaration, as_inline_table
from lightsearch.report.diagnostics.case import MIN_TRIALS, Case, Finding, kind_of

if TYPE_CHECKING:
    pass

MANY_FAILURES = 3

MANY_FAILURES_SHARE = 0.05

SEPARATES = 0.85
"""A parameter tells failed trials from good ones if this share of all pairs of them is in one order (AUC)."""


def find_others(case: Case) -> Iterator[Finding]:
    found = case.others
    if found is None:
        return
    hint, best = found.rule, found.best
    if best is not None and best.params and best.params.keys() <= case.distributions.keys():
        hint += (
            f" To have trial {best.number} run here, write `enqueue = [{as_inline_table(best.params)}]`{case.renamed}."
        )
    yield Finding("others", found.text(case.metric or "value"), hint)


def find_failures(case: Case) -> Iterator[Finding]:
    kinds = Counter(outcome.kind for outcome in case.outcomes.values() if not outcome.policy.counts)
    for kind, count in kinds.most_common():
        if count < MANY_FAILURES or count < MANY_FAILURES_SHARE * len(case.outcomes):
            continue
        text = f"{count:,} of {len(case.outcomes):,} trials ended as {kind}"
        hint = _separating_bound(case, kind)
        if hint is not None:
            yield Finding("failures", f"{text}, {hint[0]}.", f"{hint[1]}.")
            continue
        advice = {
            Kind.DIVERGED: "Leave the values that diverge out of the function's ranges, under a new name."
            if case.of_function
            else "Clip the gradients: `gradient_clip_val = 1.0` in [trainer], under a new name.",
            Kind.OUT_OF_MEMORY: "Run fewer trials at a time, `--workers 1`, or lower the largest batch size.",
            Kind.TIMEOUT: "Give each trial twice the time, `--trial-timeout`, or fewer epochs"
            + ("." if case.of_function else ", `max_epochs`."),
            Kind.CRASHED: "See the error in this process: run again with `--workers 0`.",
        }.get(kind, "See the error in this process: run again with `--workers 0`.")
        errors = Counter(
            f"{outcome.error.type}: {outcome.error.message}"
            for outcome in case.outcomes.values()
            if outcome.kind is kind and outcome.error
        )
        most = f', most often with "{errors.most_common(1)[0][0][:120]}"' if errors else ""
        yield Finding("failures", f"{text}{most}.", advice)


def _separating_bound(case: Case, kind: Kind) -> tuple[str, str] | None:
    """The parameter whose large, or small, values go with a kind of failure, and the bound without them."""
    best: tuple[float, str, IntDistribution | FloatDistribution] | None = None
    for name, distribution in case.distributions.items():
        if not isinstance(distribution, IntDistribution | FloatDistribution):
            continue
        failed = [t.params[name] for t in case.trials if name in t.params and kind_of(case, t) is kind]
        good = [t.params[name] for t in case.complete if name in t.params]
        if len(failed) < MANY_FAILURES or len(good) < MIN_TRIALS:
            continue
        pairs = np.subtract.outer(np.array(failed, float), np.array(good, float))
        above = float((pairs > 0).mean() + (pairs == 0).mean() / 2)
        if max(above, 1 - above) > max(SEPARATES, best[0] if best else 0):
            best = (max(above, 1 - above), name, distribution)
    if best is None:
        return None
    _, name, distribution = best
    failed = sorted(t.params[name] for t in case.trials if name in t.params and kind_of(case, t) is kind)
    winner = case.complete[0].params[name]
    upper = failed[len(failed) // 2] > winner
    # All but a tenth of the failures lie beyond it, and the best trial does not.
    bound = failed[len(failed) // 10] if upper else failed[-1 - len(failed) // 10]
    rounded = round(bound) if isinstance(distribution, IntDistribution) else float(f"{bound:.2g}")
    bound = max(rounded, winner) if upper else min(rounded, winner)
    low, high = (distribution.low, bound) if upper else (bound, distribution.high)
    word = "above" if upper else "below"
    beyond = sum(value > bound if upper else value < bound for value in failed)
    if low >= high or not beyond:
        return None
    return f"{beyond} of them with {name} {word} {bound:g}", "To leave those out, " + case.space_line(
        name, as_declaration(distribution, low, high)
    )
