"""An accuracy as a metric: whether it is one, on how many samples it was measured, and how exact it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from lightsearch.outcome import Outcome
from lightsearch.report.readers import as_dict


def is_share(metric: str, values: Iterable[float]) -> bool:
    """Whether a metric is best shown in percent: it is named as an accuracy, and all values are in [0, 1]."""
    known = list(values)
    return "acc" in metric.lower() and bool(known) and all(0 <= value <= 1 for value in known)


def standard_error(metric: str | None, value: float | None, n_val: object) -> float | None:
    """The binomial standard error of an accuracy measured on ``n_val`` samples.

    Returns:
        None if the metric is not named as an accuracy, is outside [0, 1], or the number of samples is unknown.
    """
    if not metric or "acc" not in metric.lower() or value is None or not 0 <= value <= 1:
        return None
    if not isinstance(n_val, int) or n_val < 1:
        return None
    # An accuracy of 0 or 1 is not exact either: half a sample is assumed to be on the other side.
    p = min(max(value, 0.5 / n_val), 1 - 0.5 / n_val)
    return math.sqrt(p * (1 - p) / n_val)


def n_val_of(attrs: dict[str, Any], outcome: Outcome | None) -> int | None:
    """The number of validation samples: as the data declares it, else as the trial counted it."""
    declared = as_dict(attrs.get("data")).get("n_val")
    if isinstance(declared, int):
        return declared
    return outcome.n_val if outcome is not None else None
