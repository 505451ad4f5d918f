"""The unit in which the model of learning curves sees values, whatever the metric is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lightsearch.study.schedulers.curve_model import Array


class Scale(NamedTuple):
    """Values in a unit of their own: 0 is the best one so far, -1 the median of the trials."""

    best: float
    unit: float

    @classmethod
    def of(cls, bests: Array) -> Scale:
        """The scale of trials whose best values are these; higher is better."""
        best, median = float(bests.max()), float(np.median(bests))
        return cls(best, (best - median) or abs(best) or 1.0)

    def scaled(self, values: Array) -> Array:
        """Values in this unit. What is far below the median is drawn nearer."""
        plain = (values - self.best) / self.unit
        return np.where(plain > -1.5, plain, -1.5 - np.log1p(np.maximum(-1.5 - plain, 0.0)))

    def gain(self, scaled: float) -> float:
        """A gain in the unit of the metric."""
        return scaled * self.unit
