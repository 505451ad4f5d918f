"""A check for failures: many of one kind, and a parameter that explains them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from lightsearch.outcome import Kind
from lightsearch.report.diagnostics.as_toml import as_declaration
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import MIN_TRIALS, StudyView

MIN_FAILURES = 3
"""Failures of one kind that a finding needs, ..."""
MIN_FAILURES_SHARE = 0.05
"""... and their share of all trials."""
MIN_SEPARATION = 0.85
"""A parameter explains failures if this share of all pairs of a failed and a complete trial is in one order (AUC)."""


class Explanation(NamedTuple):
    """A parameter whose high, or low, values go with a kind of failure."""

    text: str
    hint: str


def find_failures(view: StudyView) -> Iterator[Finding]:
    """Kinds of failure that are frequent."""
    failed = [outcome.kind for outcome in view.outcomes.values() if not outcome.policy.counts]
    kinds = Counter(kind for kind in failed if kind not in (Kind.WITHDRAWN, Kind.PAUSED))
    for kind, count in kinds.most_common():
        if count < MIN_FAILURES or count < MIN_FAILURES_SHARE * len(view.outcomes):
            continue
        text = f"{count:,} of {len(view.outcomes):,} trials ended as {kind}"
        explanation = _explain(view, kind)
        if explanation is not None:
            yield Finding("failures", f"{text}, {explanation.text}.", f"{explanation.hint}.")
        else:
            yield Finding("failures", f"{text}{_most_common_error(view, kind)}.", _advice(view, kind))


def _most_common_error(view: StudyView, kind: Kind) -> str:
    errors = Counter(
        f"{outcome.error.type}: {outcome.error.message}"
        for outcome in view.outcomes.values()
        if outcome.kind is kind and outcome.error
    )
    return f', most often with "{errors.most_common(1)[0][0][:120]}"' if errors else ""


def _advice(view: StudyView, kind: Kind) -> str:
    if kind is Kind.DIVERGED and view.of_function:
        return "Narrow the function's ranges to exclude the values that diverge, and use a new study name."
    if kind is Kind.DIVERGED:
        return "Clip the gradients: `gradient_clip_val = 1.0` in [trainer], and use a new study name."
    if kind is Kind.OUT_OF_MEMORY:
        return "Run fewer trials at a time, `--workers 1`, or lower the largest batch size."
    if kind is Kind.TIMEOUT:
        epochs = "" if view.of_function else ", `max_epochs`"
        return f"Give each trial twice the time, `--trial-timeout`, or fewer epochs{epochs}."
    return "See the error in this process: run again with `--workers 0`."


def _explain(view: StudyView, kind: Kind) -> Explanation | None:
    """The parameter that best separates the failures from the complete trials, and the bound that excludes them."""
    found = _best_separating(view, kind)
    if found is None:
        return None
    name, distribution = found
    failed = sorted(_values(view, name, kind))
    best = view.complete[0].params[name]
    upper = failed[len(failed) // 2] > best
    # All but a tenth of the failures are beyond the bound, and the best trial is not.
    bound = failed[len(failed) // 10] if upper else failed[-1 - len(failed) // 10]
    rounded = round(bound) if isinstance(distribution, IntDistribution) else float(f"{bound:.2g}")
    bound = max(rounded, best) if upper else min(rounded, best)
    low, high = (distribution.low, bound) if upper else (bound, distribution.high)
    beyond = sum(value > bound if upper else value < bound for value in failed)
    if low >= high or not beyond:
        return None
    return Explanation(
        f"{beyond} of them with {name} {'above' if upper else 'below'} {bound:g}",
        "To leave those out, " + view.how_to_declare(name, as_declaration(distribution, low, high)),
    )


def _best_separating(view: StudyView, kind: Kind) -> tuple[str, IntDistribution | FloatDistribution] | None:
    best, found = MIN_SEPARATION, None
    for name, distribution in view.distributions.items():
        if not isinstance(distribution, IntDistribution | FloatDistribution):
            continue
        failed = _values(view, name, kind)
        complete = [trial.params[name] for trial in view.complete if name in trial.params]
        if len(failed) < MIN_FAILURES or len(complete) < MIN_TRIALS:
            continue
        pairs = np.subtract.outer(np.array(failed, float), np.array(complete, float))
        above = float((pairs > 0).mean() + (pairs == 0).mean() / 2)
        if max(above, 1 - above) > best:
            best, found = max(above, 1 - above), (name, distribution)
    return found


def _values(view: StudyView, name: str, kind: Kind) -> list[float]:
    """A parameter's values in the trials that failed in this way."""
    return [trial.params[name] for trial in view.trials if name in trial.params and view.kind_of(trial) is kind]
