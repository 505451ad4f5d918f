"""The values of all objectives after each epoch, as trials with several objectives report them.

They are kept in one user attribute of the trial, which is written again after each epoch: one write, as for a report to
Optuna. Optuna's intermediate values do not serve. They hold one number per step, ``Trial.report`` refuses several
objectives, and ``TPESampler``, also that of another program, fails on a pruned trial that has intermediate values in a
study with several objectives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna
from optuna.trial import FrozenTrial

EPOCH_VALUES = "epoch_values"
"""User attribute of a trial: the values of all objectives, in the order of the study file, by step."""


def epoch_values_of(trial: FrozenTrial | optuna.Trial) -> dict[int, list[float]]:
    """The values of all objectives by step; empty if the trial has not reported any, or has a single objective."""
    stored = trial.user_attrs.get(EPOCH_VALUES)
    if not isinstance(stored, dict):
        return {}
    try:
        return {int(step): [float(value) for value in values] for step, values in stored.items() if values}
    except (TypeError, ValueError):  # another program may use the same name
        return {}


def as_attribute(values: Mapping[int, Sequence[float]]) -> dict[str, list[float]]:
    """The attribute's content. The keys of JSON are strings."""
    return {str(step): list(values[step]) for step in sorted(values)}


def curve_of(trial: FrozenTrial) -> dict[int, float]:
    """What a trial has reported by step, in the order of the steps: the only objective, or the first of several."""
    reported = trial.intermediate_values or {step: values[0] for step, values in epoch_values_of(trial).items()}
    return dict(sorted(reported.items()))
