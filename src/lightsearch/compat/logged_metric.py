"""torchmetrics objects that a module logs: Lightning reads the value of a step from a private attribute.

Read in torchmetrics 1.9, where ``Metric.forward`` writes ``_forward_cache``, and in pytorch-lightning 2.6.6, where
``_ResultMetric.update`` reads it.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class LoggedMetric(NamedTuple):
    """A metric, and what its ``forward`` returned in the step that logged it."""

    metric: Any
    value_of_step: Any

    @classmethod
    def of(cls, metric: Any) -> LoggedMetric:
        """A metric as it is now."""
        return cls(metric, metric._forward_cache)

    def as_then(self) -> Any:
        """The metric, with the value of that step. What it has counted since stays."""
        self.metric._forward_cache = self.value_of_step
        return self.metric
