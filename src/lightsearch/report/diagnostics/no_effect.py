"""A check for parameters without an effect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from lightsearch.report.diagnostics.as_toml import as_toml
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView
from lightsearch.study.origin import FINISHED

MIN_TRIALS = 30
"""Finished trials that the check needs: with fewer, an effect may not show yet."""
QUANTILES = (0.2, 0.4, 0.6, 0.8)
"""Where the values of a number are cut into groups."""


class Explained(NamedTuple):
    """How much of the variance of the trials' ranks a parameter explains by itself."""

    share: float
    """Eta squared, in [0, 1]."""
    by_chance: float
    """Its expectation for a parameter without effect."""


def find_no_effect(view: StudyView) -> Iterator[Finding]:
    """Parameters that explain no more of the differences between trials than chance does."""
    finished = [trial for trial in view.trials if trial.state in FINISHED]
    scored = [trial for trial in finished if math.isfinite(view.score(trial))]
    if len(scored) < MIN_TRIALS or len(view.distributions) < 2 or not view.complete:
        return
    for name, distribution in view.distributions.items():
        having = [trial for trial in scored if name in trial.params]
        values, scores = [trial.params[name] for trial in having], [view.score(trial) for trial in having]
        explained = _explained(values, scores, distribution)
        if explained is not None and explained.share <= explained.by_chance:
            yield Finding(
                "no-effect",
                f"{name} shows no effect of its own: it explains {explained.share:.1%} of the differences in rank "
                f"between {len(having):,} trials, and chance alone explains {explained.by_chance:.1%} on average.",
                f"Fix it: {_how_to_fix(view, name)}{view.in_new_study}.",
            )


def _how_to_fix(view: StudyView, name: str) -> str:
    value = as_toml(view.complete[0].params.get(name))
    if view.of_function:
        return f"write `{name} = {value}` in the function"
    section, argument = view.section(name)
    where = {"trainer": "[trainer]"}.get(section, f"init_args of [{section}]" if section else "the model")
    return f"take it out of [space.{section or '...'}] and write `{argument} = {value}` in {where}"


def _explained(values: list[Any], scores: list[float], distribution: BaseDistribution) -> Explained | None:
    """How much a parameter explains; None if that cannot be told.

    Eta squared is computed on ranks, as in the Kruskal-Wallis test. A choice is a group; numbers are cut into five
    groups of about equal size.
    """
    if len(values) < MIN_TRIALS:
        return None
    ordered = np.sort(np.array(scores, float))
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2
    if isinstance(distribution, CategoricalDistribution):
        groups = np.unique([str(value) for value in values], return_inverse=True)[1]
    else:
        numbers = np.array(values, float)
        edges = np.unique(np.quantile(numbers, QUANTILES))
        groups = np.unique(np.searchsorted(edges, numbers), return_inverse=True)[1]
    n_groups, total = int(groups.max()) + 1, float(((ranks - ranks.mean()) ** 2).sum())
    if n_groups < 2 or total == 0:
        return None
    sums, sizes = np.bincount(groups, weights=ranks), np.bincount(groups)
    between = float((sizes * (sums / sizes - ranks.mean()) ** 2).sum())
    return Explained(between / total, (n_groups - 1) / (len(values) - 1))
