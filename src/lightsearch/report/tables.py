"""One row a trial."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import Kind, Outcome
from lightsearch.report.columns import (
    category_column,
    float_column,
    integer_column,
    is_categorical,
    string_column,
    time_column,
    utc_times,
)
from lightsearch.study.origin import outcome_of

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def trials(study: optuna.Study) -> pd.DataFrame:
    """One row a trial, by number; trials of other programs included, with what is known of them.

    Columns:
        number: int64.
        state: category, Optuna's, in lower case.
        kind: category, how the trial ended (see ``lightsearch.outcome.Kind``); missing for an ended trial of another
            program.
        value: float64, the metric of the best epoch; of a running or interrupted trial the last one reported. Of
            several objectives the first.
        values_NAME: float64, each objective, where there are several; missing if the trial is not complete.
        best_epoch, epochs: Int64, the best epoch (from 0), and the epochs trained.
        stop_reason: category, why training ended.
        seconds: float64, wall time of the trial's workers.
        params_NAME: Int64 or float64 for numbers, boolean, category for strings (all choices of the space are
            categories, in their order).
        metrics_NAME: float64, every metric logged in the best epoch.
        seed: Int64.
        started, ended: datetime64[us, UTC].
        attempt: Int64, how often the trial was started.
        device: category. checkpoint, sha256, error_type, error_message: str.

    Args:
        study: Any Optuna study.
    """
    import pandas as pd

    frozen = study.get_trials(deepcopy=False)
    outcomes = [outcome_of(trial) for trial in frozen]

    def told(field: str) -> list[Any]:
        return [getattr(outcome, field) if outcome else None for outcome in outcomes]

    errors = told("error")
    times = [utc_times(trial) for trial in frozen]
    columns: dict[str, Any] = {
        "number": pd.array([trial.number for trial in frozen], dtype="int64"),
        "state": category_column(
            [trial.state.name.lower() for trial in frozen], [state.name.lower() for state in TrialState]
        ),
        "kind": category_column(
            [str(outcome.kind) if outcome else None for outcome in outcomes], [str(kind) for kind in Kind]
        ),
        "value": float_column([value_of(trial, outcome) for trial, outcome in zip(frozen, outcomes, strict=True)]),
        **_values(study, frozen),
        "best_epoch": integer_column(told("best_epoch")),
        "epochs": integer_column(
            [outcome.epochs if outcome else _reported(trial) for trial, outcome in zip(frozen, outcomes, strict=True)]
        ),
        "stop_reason": category_column([reason or None for reason in told("stop_reason")]),
        "seconds": float_column(told("seconds")),
    }
    for name, distributions in distributions_of(frozen).items():
        columns[f"params_{name}"] = _parameter([trial.params.get(name) for trial in frozen], distributions)
    metrics = [outcome.metrics if outcome else {} for outcome in outcomes]
    for name in dict.fromkeys(name for logged in metrics for name in logged):
        columns[f"metrics_{name}"] = float_column([logged.get(name) for logged in metrics])
    columns |= {
        "seed": integer_column(told("seed")),
        "started": time_column([started for started, _ in times]),
        "ended": time_column([ended for _, ended in times]),
        "attempt": integer_column([trial.user_attrs.get("attempt") for trial in frozen]),
        "device": category_column([device or None for device in told("device")]),
        "checkpoint": string_column(told("checkpoint")),
        "sha256": string_column(told("sha256")),
        "error_type": string_column([error and error.type for error in errors]),
        "error_message": string_column([error and error.message for error in errors]),
    }
    return pd.DataFrame(columns)


def value_of(trial: FrozenTrial, outcome: Outcome | None) -> float | None:
    """A trial's finite value: its best epoch's as far as that is known, else the one told, else the last reported."""
    if outcome is not None:
        return outcome.value
    told = trial.values[0] if trial.values else None
    if told is None and trial.last_step is not None:
        told = trial.intermediate_values[trial.last_step]
    return told if told is not None and math.isfinite(told) else None


def objectives(study: optuna.Study) -> list[tuple[str, str]]:
    """Every objective's name, and its direction: ``maximize`` or ``minimize``.

    Another program's may have no names of their own: ``value``, or ``value_0``, ``value_1``, ...
    """
    directions = ["minimize" if direction.name == "MINIMIZE" else "maximize" for direction in study.directions]
    if len(directions) == 1:
        return [(str(study.user_attrs.get("metric") or "value"), directions[0])]
    names = study.metric_names or []
    if len(set(names)) < len(directions):
        names = [f"value_{place}" for place in range(len(directions))]
    return list(zip(names, directions, strict=True))


def distributions_of(frozen: Iterable[FrozenTrial]) -> dict[str, list[BaseDistribution]]:
    """Every parameter of any trial, in the order of their first appearance, with its different distributions."""
    found: dict[str, list[BaseDistribution]] = {}
    for trial in frozen:
        for name, distribution in trial.distributions.items():
            known = found.setdefault(name, [])
            if distribution not in known:
                known.append(distribution)
    return found


def _values(study: optuna.Study, frozen: list[FrozenTrial]) -> dict[str, Any]:
    """The columns of several objectives; none of one."""
    names = [name for name, _ in objectives(study)]
    if len(names) == 1:
        return {}
    complete = [trial.values if trial.state is TrialState.COMPLETE else None for trial in frozen]
    return {
        f"values_{name}": float_column([values and values[place] for values in complete])
        for place, name in enumerate(names)
    }  # fmt: skip


def _reported(trial: FrozenTrial) -> int | None:
    return len(trial.intermediate_values) or None


def _parameter(values: list[Any], distributions: list[BaseDistribution]) -> Any:
    """A parameter's column, typed by what it is sampled from."""
    choices: list[Any] = []
    for distribution in distributions:
        if isinstance(distribution, CategoricalDistribution):
            choices += [choice for choice in distribution.choices if choice not in choices]
    types = {type(choice) for choice in choices}
    if len(distributions) > 1 or not choices:
        types |= {
            int if isinstance(one, IntDistribution) else float for one in distributions if not is_categorical(one)
        }
    if types <= {int}:
        return integer_column(values)
    if types <= {int, float}:
        return float_column(values)
    import pandas as pd

    if types == {bool}:
        return pd.array(values, dtype="boolean")
    # Strings, or a mixture of types, which neither a column of a frame nor one of a Parquet file can hold.
    texts = [None if value is None else str(value) for value in values]
    return category_column(
        texts, list(dict.fromkeys([str(choice) for choice in choices] + [text for text in texts if text]))
    )
