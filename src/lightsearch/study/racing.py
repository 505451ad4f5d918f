"""The race of configurations for further runs: whether one is worth another seed, or another fold.

A run is one training of a configuration. The rule follows Maron and Moore's Hoeffding races (1994), and F-Race and
irace (Birattari et al. 2002; López-Ibáñez et al. 2016): all candidates are evaluated a little, and those that are
statistically worse than the best are dropped before the next evaluation. As in irace's t-race the test is Student's.
Here a candidate often has one value only, so the standard deviation is pooled over all configurations with several.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightsearch.declare.sections import ValidationSpec
from lightsearch.study.origin import FINISHED

RUNS = "validation"
"""User attribute of a trial with several runs: ``values``, the best epoch's of each run that has ended; ``std``, their
standard deviation (None for one value); ``epochs``, those that its further runs have trained."""

MIN_COMPLETE = 3
"""Trials with all runs before any is dropped: the standard deviation is not known before."""

CONFIDENCE = 0.95
"""One-sided. irace's default."""


def runs_attribute(values: Sequence[float], epochs: int) -> dict[str, Any]:
    """The content of the attribute.

    Args:
        values: The values of the runs that have ended, in their order.
        epochs: The epochs that the runs after the first have trained.
    """
    return {"values": list(values), "std": std_of(values), "epochs": epochs}


def std_of(values: Sequence[float]) -> float | None:
    """The standard deviation of a sample; None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def declared_runs(fingerprint: Mapping[str, Any]) -> int:
    """The runs of a complete trial of a study, by what is stored of its declaration."""
    section = fingerprint.get("validation")
    return ValidationSpec.model_validate(section).runs if isinstance(section, dict) else 1


def further_epochs(trial: FrozenTrial | optuna.Trial) -> int:
    """The epochs that the runs after the first have trained."""
    epochs = _attribute(trial).get("epochs")
    return epochs if isinstance(epochs, int) else 0


def run_values(trial: FrozenTrial) -> list[float]:
    """The values of the runs of a trial that have ended; empty if the study has no ``[validation]``."""
    values = _attribute(trial).get("values")
    known = values if isinstance(values, list) else []  # another program may use the same name
    return [float(value) for value in known if isinstance(value, int | float) and math.isfinite(value)]


def _attribute(trial: FrozenTrial | optuna.Trial) -> dict[str, Any]:
    stored = trial.user_attrs.get(RUNS)
    return stored if isinstance(stored, dict) else {}


def is_worth_another(
    values: Sequence[float], trials: Sequence[FrozenTrial], spec: ValidationSpec, direction: str
) -> bool:
    """Whether a trial is trained again, after some of its runs.

    Args:
        values: Those of its runs so far.
        trials: All trials of the study. Those of other programs have no runs.
        spec: Which runs a complete trial has.
        direction: ``maximize`` or ``minimize``.
    """
    ended = [trial for trial in trials if trial.state in FINISHED]
    complete = [run_values(trial) for trial in ended if trial.state is TrialState.COMPLETE]
    complete = [known for known in complete if len(known) == spec.runs]
    if len(complete) < MIN_COMPLETE:
        return True
    sign = -1.0 if direction == "minimize" else 1.0
    every = [known for trial in ended if (known := run_values(trial))]
    offsets = _offsets(complete) if spec.folds is not None else [0.0] * spec.runs
    best = max(sign * statistics.fmean(known) for known in complete)
    mean = sign * statistics.fmean(_without(values, offsets))
    return best - mean <= _margin(len(values), [_without(known, offsets) for known in every], spec)


def _offsets(complete: Sequence[Sequence[float]]) -> list[float]:
    """How much easier each fold is than the mean of all. The folds are the same in all trials, seeds are not."""
    of_folds = [statistics.fmean(values) for values in zip(*complete, strict=True)]
    mean = statistics.fmean(of_folds)
    return [value - mean for value in of_folds]


def _without(values: Sequence[float], offsets: Sequence[float]) -> list[float]:
    return [value - offset for value, offset in zip(values, offsets, strict=False)]


def _margin(n: int, every: Sequence[Sequence[float]], spec: ValidationSpec) -> float:
    """The difference between a mean of ``n`` runs and one of all runs that may well be luck."""
    from scipy.special import stdtrit

    several = [values for values in every if len(values) > 1]
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in several)
    freedom = sum(len(values) - 1 for values in several) - (spec.runs - 1 if spec.folds is not None else 0)
    quantile = float(stdtrit(freedom, CONFIDENCE))
    return quantile * math.sqrt(squares / freedom * (1 / n + 1 / spec.runs))
