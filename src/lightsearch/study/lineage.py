"""The lineage of a trial that began from the checkpoint of another one: which parameters trained which epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from lightsearch.declare.values import Value
from lightsearch.study.schedulers import Start

PARENT = "parent"
"""The attribute of a trial with its ``Start``, as a dictionary."""


class Segment(NamedTuple):
    """The part of a training that one trial did."""

    trial: int
    """The trial's number."""
    params: dict[str, Value]
    """Its parameters."""
    first: int
    """The number of epochs trained before it."""
    until: int
    """The number of epochs trained after it."""


def start_of(attrs: Mapping[str, Any]) -> Start | None:
    """Where a trial began, if that was another trial's checkpoint.

    Args:
        attrs: Its user attributes.
    """
    try:
        return Start(**{name: int(value) for name, value in attrs[PARENT].items()})
    except (KeyError, TypeError, ValueError, AttributeError):  # another program may use the same name
        return None


def lineage(trials: Sequence[FrozenTrial], number: int) -> list[Segment]:
    """The trials that have trained the weights of one, from the first ancestor on; the last segment is its own.

    Args:
        trials: All trials of the study.
        number: The trial's number.
    """
    by_number = {trial.number: trial for trial in trials}
    trial = by_number[number]
    until, found = max(trial.intermediate_values, default=-1) + 1, []
    while True:
        start = start_of(trial.user_attrs)
        first = 0 if start is None else start.epochs
        found.append(Segment(trial.number, dict(trial.params), first, max(first, until)))
        if start is None or start.parent not in by_number:
            return found[::-1]
        trial, until = by_number[start.parent], start.epochs


def schedule(trials: Sequence[FrozenTrial], number: int) -> str | None:
    """The parameters that changed during a training, in a line; None if it began untrained.

    ``epochs 1-4 learning_rate 0.01 (trial 3), epochs 5-8 learning_rate 0.0125 (trial 9)``.

    Args:
        trials: All trials of the study.
        number: The trial's number.
    """
    segments = lineage(trials, number)
    if len(segments) == 1:
        return None
    names = [name for name in segments[-1].params if len({str(one.params.get(name)) for one in segments}) > 1]
    parts = []
    for one in segments:
        values = [f"{name} {_shown(one.params[name])}" for name in names if name in one.params]
        parts.append(f"{_span(one)} {' '.join(values)} (trial {one.trial})".replace("  ", " "))
    return ", ".join(parts)


def _span(one: Segment) -> str:
    """The epochs of a segment in words, counted from 1."""
    first = one.first + 1
    if one.until > first:
        return f"epochs {first}-{one.until}"
    return f"epoch {first}" if one.until == first else f"from epoch {first}"


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
