"""The rule by which trials with several objectives are pruned: a trial far behind the others at the same epoch.

A trial *dominates another one by a margin* if it is better in every logged objective by more than the margin, and no
worse in every measured one. A logged objective changes until the trial ends, and is noisy: the margin stands for what
is still unknown. Active learning of Pareto fronts discards a point likewise, if another one dominates it although the
doubt counts for the point (Zuluaga et al., "Active learning for multi-objective optimization", ICML 2013). A measured
objective (``parameters``, ``latency_ms``) is known before training and stays the same; values that differ by no more
than their spreads are equal.

The trials at one epoch are ranked by layers: the first layer holds the trials that none dominates by the margin, the
next one those that only trials of the first dominate, and so on (non-dominated sorting: Srinivas and Deb, 1994). Ranks
by layers at equal epochs decide in multi-objective successive halving too which trials go on (Schmucker et al.,
"Multi-objective asynchronous successive halving", 2021). A trial has fallen behind if

- the layers before its own hold at least half of the other trials. This is the median rule: with one objective and no
  margin, the trial is worse than half of the others. A front of many trials is one layer, of which none is pruned;
- two trials at least dominate it by the margin. A single one may owe its place to noise.

The margin of an objective is a share of the interquartile range of its values at that epoch, so that neither units nor
a few trials that diverge decide. The rule is the same for ``-value`` with the other direction, and for a logged
objective in other units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_DOMINATING = 2
"""Trials that have to dominate a trial by the margin before it is pruned."""


class Point(NamedTuple):
    """A trial at an epoch."""

    costs: Sequence[float]
    """Its objectives, finite, with the sign that makes less better."""
    spreads: Sequence[float]
    """The spread of each objective; 0 for an exact value. Those of logged objectives are not used."""


def has_fallen_behind(own: Point, others: Sequence[Point], logged: Sequence[bool], margin: float) -> bool:
    """Whether a trial is far behind the others at the same epoch, by the rule above.

    Args:
        own: The trial.
        others: The other trials at this epoch.
        logged: Whether each objective is logged; the first one is. The others are measured.
        margin: The share of the interquartile range, from 0.
    """
    if len(others) < MIN_DOMINATING:
        return False
    with np.errstate(over="ignore"):  # a trial that diverges may have values near the greatest number
        layers = _Layers([*others, own], logged, margin)
        if len(layers.dominating(len(others), np.arange(len(others)))) < MIN_DOMINATING:
            return False
        numbers = layers.numbers()
    return bool(2 * np.sum(numbers[:-1] < numbers[-1]) >= len(others))


class _Layers:
    """The trials of an epoch, sorted into layers.

    Args:
        points: The trials.
        logged: Whether each objective is logged.
        margin: The share of the interquartile range.
    """

    def __init__(self, points: Sequence[Point], logged: Sequence[bool], margin: float) -> None:
        costs = np.array([point.costs for point in points], dtype=np.float64)  # [trials, objectives]
        spreads = np.array([point.spreads for point in points], dtype=np.float64)
        is_logged = np.array(logged)
        self._logged, self._measured = costs[:, is_logged], costs[:, ~is_logged]
        self._spreads = spreads[:, ~is_logged]
        first, third = np.percentile(self._logged, [25, 75], axis=0)
        self._margins = margin * (third - first)

    def dominating(self, one: int, among: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which of some trials dominate one of them by the margin."""
        better: NDArray[np.bool_] = np.all(self._logged[one] - self._logged[among] > self._margins, axis=1)
        equal = np.maximum(self._spreads[one], self._spreads[among])
        no_worse: NDArray[np.bool_] = np.all(self._measured[among] <= self._measured[one] + equal, axis=1)
        chosen: NDArray[np.intp] = among[better & no_worse]
        return chosen

    def numbers(self) -> NDArray[np.intp]:
        """The layer of each trial, from 0: one more than the last layer of the trials that dominate it."""
        # By the first objective, in which a dominating trial is better: it comes first, and spreads make no cycles.
        order = np.argsort(self._logged[:, 0], kind="stable")
        numbers = np.zeros(len(order), dtype=np.intp)
        for place, one in enumerate(order):
            dominating = self.dominating(one, order[:place])
            numbers[one] = 1 + numbers[dominating].max(initial=-1)
        return numbers
