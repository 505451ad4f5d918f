"""Findings about the search space: leaders at its edge, parameters without an effect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from lightsearch.report.diagnostics.as_toml import as_declaration, as_toml
from lightsearch.report.diagnostics.case import EDGE, MIN_TRIALS, Case, Finding

if TYPE_CHECKING:
    pass

MIN_TRIALS_FOR_EFFECT = 30
"""Trials without which a parameter that shows no effect may just not have shown it yet."""


def find_bounds(case: Case) -> Iterator[Finding]:
    if len(case.complete) < MIN_TRIALS:
        return
    best = case.complete[0]
    for name, distribution in case.distributions.items():
        if name not in best.params:
            continue
        places = [_place(trial.params[name], distribution) for trial in case.leaders if name in trial.params]
        here = _place(best.params[name], distribution)
        if here is None or EDGE < here < 1 - EDGE:
            continue
        at_edge = sum(place is not None and (place >= 1 - EDGE if here > 0.5 else place <= EDGE) for place in places)
        # Of a few choices one is an end soon; the leaders must agree on it.
        few = isinstance(distribution, CategoricalDistribution) or (
            isinstance(distribution, IntDistribution) and distribution.high - distribution.low < 1 / EDGE
        )
        wider = _wider(distribution, upper=here > 0.5)
        if wider is None or at_edge <= len(places) * (0.5 if few else 2 * EDGE):
            continue
        end = "upper" if here > 0.5 else "lower"
        bound = _ends(distribution)[here > 0.5]
        yield Finding(
            "bound",
            f"The best trial's {name} = {best.params[name]:.4g} is at the {end} bound of the space, {bound:g}; "
            f"{at_edge} of the {len(places)} leading trials {'is' if at_edge == 1 else 'are'} there.",
            f"To search beyond it, {case.space_line(name, wider)}.",
        )


def find_no_effect(case: Case) -> Iterator[Finding]:
    scored = [trial for trial in case.trials if case.score(trial) > -math.inf and case.score(trial) < math.inf]
    scored = [trial for trial in scored if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if len(scored) < MIN_TRIALS_FOR_EFFECT or len(case.distributions) < 2 or not case.complete:
        return
    for name, distribution in case.distributions.items():
        having = [trial for trial in scored if name in trial.params]
        explained, by_chance = _explained(
            [t.params[name] for t in having], [case.score(t) for t in having], distribution
        )
        if len(having) < MIN_TRIALS_FOR_EFFECT or explained is None or explained > by_chance:
            continue
        section, argument = case.section(name)
        value = case.complete[0].params.get(name)
        place = {"trainer": "[trainer]"}.get(section, f"init_args of [{section}]" if section else "the model")
        hint = f"take it out of [space.{section or '...'}] and write `{argument} = {as_toml(value)}` in {place}"
        if case.of_function:
            hint = f"write `{name} = {as_toml(value)}` in the function"
        yield Finding(
            "no-effect",
            f"{name} shows no effect of its own: it explains {explained:.1%} of the differences in rank between "
            f"{len(having):,} trials, and chance alone explains {by_chance:.1%} on average.",
            f"Fix it: {hint}{case.renamed}.",
        )


def _explained(params: list[Any], scores: list[float], distribution: BaseDistribution) -> tuple[float | None, float]:
    """The share of the ranks' variance that a parameter explains by itself (eta squared), and what chance would.

    Numbers are cut into five groups of about equal size, as in the Kruskal-Wallis test; choices are groups.
    """
    if len(params) < MIN_TRIALS_FOR_EFFECT:
        return None, 0.0
    ordered = np.sort(np.array(scores, float))
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2
    if isinstance(distribution, CategoricalDistribution):
        groups = np.unique([str(value) for value in params], return_inverse=True)[1]
    else:
        numbers = np.array(params, float)
        edges = np.unique(np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]))
        groups = np.unique(np.searchsorted(edges, numbers), return_inverse=True)[1]
    n_groups, total = int(groups.max()) + 1, float(((ranks - ranks.mean()) ** 2).sum())
    if n_groups < 2 or total == 0:
        return None, 0.0
    sums, sizes = np.bincount(groups, weights=ranks), np.bincount(groups)
    between = float((sizes * (sums / sizes - ranks.mean()) ** 2).sum())
    return between / total, (n_groups - 1) / (len(params) - 1)


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    if isinstance(distribution, CategoricalDistribution):
        numbers = [choice for choice in distribution.choices if isinstance(choice, int | float)]
        return min(numbers), max(numbers)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return distribution.low, distribution.high


def _place(value: Any, distribution: BaseDistribution) -> float | None:
    """Where a value lies between the bounds, in [0, 1], on the scale it is sampled on; None if it has no order."""
    if isinstance(distribution, CategoricalDistribution):
        choices = list(distribution.choices)
        if len(choices) < 3 or any(isinstance(one, bool) or not isinstance(one, int | float) for one in choices):
            return None
        numbers = sorted(one for one in choices if isinstance(one, int | float))
        return numbers.index(value) / (len(numbers) - 1)
    low, high = _ends(distribution)
    if high <= low:
        return None
    if getattr(distribution, "log", False):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low))


def _wider(distribution: BaseDistribution, *, upper: bool) -> str | None:
    """The declaration with that bound moved outwards; None if the bound is a natural limit."""
    low, high = _ends(distribution)
    if isinstance(distribution, CategoricalDistribution):
        numbers = sorted(one for one in distribution.choices if isinstance(one, int | float))
        ratio = numbers[-1] / numbers[-2] if upper else numbers[1] / numbers[0] if numbers[0] else 0
        new = numbers[-1] * ratio if upper else (numbers[0] / ratio if ratio else 0)
        if all(isinstance(one, int) for one in numbers):
            new = round(new)
        if new <= 0 or new in numbers:
            return None
        return f"choice = [{', '.join(f'{one:g}' for one in sorted([*numbers, new]))}]"
    whole = isinstance(distribution, IntDistribution)
    if getattr(distribution, "log", False):
        factor = 4 if whole else 10
        new_low, new_high = (low, high * factor) if upper else (max(1, low // factor) if whole else low / factor, high)
    else:
        width = (high - low) / 2
        step = getattr(distribution, "step", None)
        width = math.ceil(width / step) * step if step else width
        new_low, new_high = (low, high + width) if upper else (low - width, high)
        if not upper and low >= 0 > new_low:  # what was declared without a sign has none
            new_low = min(1, low) if whole else 0
        if upper and (low, high) == (0, 1):  # a share
            return None
    if (new_low, new_high) == (low, high):
        return None
    return as_declaration(distribution, new_low, new_high)
