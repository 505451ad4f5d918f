"""Trials and their epochs as data frames, written as CSV and Parquet. Categories, missing values and UTC survive."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightsearch.folders import study_folder, trial_folder
from lightsearch.origin import outcome_of
from lightsearch.outcome import Kind, Outcome
from lightsearch.ownership import LEASE_SECONDS
from lightsearch.study_file import checked_name

if TYPE_CHECKING:
    import optuna
    import pandas as pd

EPOCHS = "epochs.csv"
"""What a trial's folder holds of its epochs."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Beginnings of a text that a spreadsheet takes for a formula, and of one that would be taken for a quoted one."""
ZONE_SECONDS = 900
"""Time zones differ by multiples of a quarter of an hour."""


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
        "state": _category(
            [trial.state.name.lower() for trial in frozen], [state.name.lower() for state in TrialState]
        ),
        "kind": _category(
            [str(outcome.kind) if outcome else None for outcome in outcomes], [str(kind) for kind in Kind]
        ),
        "value": _floats([value_of(trial, outcome) for trial, outcome in zip(frozen, outcomes, strict=True)]),
        **_values(study, frozen),
        "best_epoch": _integers(told("best_epoch")),
        "epochs": _integers(
            [outcome.epochs if outcome else _reported(trial) for trial, outcome in zip(frozen, outcomes, strict=True)]
        ),
        "stop_reason": _category([reason or None for reason in told("stop_reason")]),
        "seconds": _floats(told("seconds")),
    }
    for name, distributions in distributions_of(frozen).items():
        columns[f"params_{name}"] = _parameter([trial.params.get(name) for trial in frozen], distributions)
    metrics = [outcome.metrics if outcome else {} for outcome in outcomes]
    for name in dict.fromkeys(name for logged in metrics for name in logged):
        columns[f"metrics_{name}"] = _floats([logged.get(name) for logged in metrics])
    columns |= {
        "seed": _integers(told("seed")),
        "started": _times([started for started, _ in times]),
        "ended": _times([ended for _, ended in times]),
        "attempt": _integers([trial.user_attrs.get("attempt") for trial in frozen]),
        "device": _category([device or None for device in told("device")]),
        "checkpoint": _strings(told("checkpoint")),
        "sha256": _strings(told("sha256")),
        "error_type": _strings([error and error.type for error in errors]),
        "error_message": _strings([error and error.message for error in errors]),
    }
    return pd.DataFrame(columns)


def epochs(study: optuna.Study, folder: Path | None = None) -> pd.DataFrame:
    """One row a trial and epoch, by number and epoch.

    The storage knows the metric of every epoch that was reported; ``epochs.csv`` in a trial's folder knows everything
    else that was logged. A file that contradicts the storage belongs to another study and is left out.

    Columns:
        number, epoch: int64; epochs count from 0.
        value: float64, the study's metric; of several objectives the first.
        metrics_NAME: float64, every metric logged.
        seconds: float64, wall time of the epoch.

    Args:
        study: Any Optuna study.
        folder: The study's folder; ``studies/<name>`` if None.
    """
    import pandas as pd

    folder = folder or own_folder(study)
    metric = study.user_attrs.get("metric")
    numbers: list[int] = []
    rows: list[dict[str, float]] = []
    for trial in study.get_trials(deepcopy=False):
        for epoch, row in _epochs_of(trial, folder, metric).items():
            numbers.append(trial.number)
            rows.append({"epoch": epoch, **row})
    names = dict.fromkeys(name for row in rows for name in row if name not in ("epoch", "value", "seconds"))
    columns: dict[str, Any] = {
        "number": pd.array(numbers, dtype="int64"),
        "epoch": pd.array([int(row["epoch"]) for row in rows], dtype="int64"),
        "value": _floats([row.get("value") for row in rows]),
        **{f"metrics_{name}": _floats([row.get(name) for row in rows]) for name in names},
        "seconds": _floats([row.get("seconds") for row in rows]),
    }
    return pd.DataFrame(columns)


def write(frame: pd.DataFrame, path: Path) -> list[Path]:
    """Writes ``path`` with the endings ``.csv`` (UTF-8, nothing for a missing value) and ``.parquet``.

    In the CSV file a text that a spreadsheet would run as a formula has an apostrophe before it, as has one that begins
    with an apostrophe: whoever reads it back takes one leading apostrophe off. Parquet has every text as it is.

    A reader sees the old file or the new one, never a part of one.

    Returns:
        The two files.
    """
    files = []
    for ending in ("csv", "parquet"):
        file = path.with_name(f"{path.name}.{ending}")
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            if ending == "csv":
                _for_spreadsheets(frame).to_csv(
                    temporary, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ", encoding="utf-8"
                )
            else:
                frame.to_parquet(temporary, index=False)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        files.append(file)
    return files


def _for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts that a spreadsheet shows, and does not run; numbers stay numbers."""
    import pandas as pd

    texts = [str(name) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype | pd.StringDtype)]
    return frame.assign(**{name: frame[name].astype(object).map(_quoted, na_action="ignore") for name in texts})


def _quoted(text: str) -> str:
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


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


def utc_times(trial: FrozenTrial) -> tuple[datetime | None, datetime | None]:
    """Start and end of a trial in UTC.

    Optuna keeps local times without their zone. They are taken to be of this machine's, unless the trial's lease,
    which is kept in seconds since 1970 and was renewed while the trial ran, shows that they were written in another.
    """
    started, ended = (time and time.astimezone(UTC) for time in (trial.datetime_start, trial.datetime_complete))
    lease = trial.user_attrs.get("lease")
    if started is None or not isinstance(lease, int | float):
        return started, ended
    slack = timedelta(seconds=LEASE_SECONDS)
    renewed = datetime.fromtimestamp(lease, UTC) - slack
    if started - slack <= renewed <= (ended or renewed) + slack:
        return started, ended
    zones = round((renewed - (ended or started)).total_seconds() / ZONE_SECONDS)
    shift = timedelta(seconds=zones * ZONE_SECONDS)
    if abs(shift) > timedelta(hours=26):  # no two zones are further apart: the trial waited for its next attempt
        return started, ended
    return started + shift, ended and ended + shift


def distributions_of(frozen: Iterable[FrozenTrial]) -> dict[str, list[BaseDistribution]]:
    """Every parameter of any trial, in the order of their first appearance, with its different distributions."""
    found: dict[str, list[BaseDistribution]] = {}
    for trial in frozen:
        for name, distribution in trial.distributions.items():
            known = found.setdefault(name, [])
            if distribution not in known:
                known.append(distribution)
    return found


def own_folder(study: optuna.Study) -> Path | None:
    """``studies/<name>``; None for a study of another program, whose name may be anything."""
    try:
        return study_folder(checked_name(study.study_name))
    except ValueError:
        return None


def _values(study: optuna.Study, frozen: list[FrozenTrial]) -> dict[str, Any]:
    """The columns of several objectives; none of one."""
    names = [name for name, _ in objectives(study)]
    if len(names) == 1:
        return {}
    complete = [trial.values if trial.state is TrialState.COMPLETE else None for trial in frozen]
    return {
        f"values_{name}": _floats([values and values[place] for values in complete])
        for place, name in enumerate(names)
    }  # fmt: skip


def _epochs_of(trial: FrozenTrial, folder: Path | None, metric: str | None) -> dict[int, dict[str, float]]:
    """Epoch -> what is known of it."""
    logged = dict(_read_epochs(trial_folder(folder, trial.number) / EPOCHS)) if folder else {}
    told = trial.intermediate_values
    if any(
        metric in row and not math.isclose(row[metric], told[epoch], rel_tol=1e-6, abs_tol=1e-9)
        for epoch, row in logged.items()
        if metric is not None and epoch in told
    ):
        logged = {}
    rows = {}
    for epoch in sorted(told.keys() | logged.keys()):
        row = logged.get(epoch, {})
        value = told.get(epoch, row.get(metric) if metric is not None else None)
        rows[epoch] = row if value is None else {**row, "value": value}
    return rows


def _read_epochs(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        with file.open(newline="", encoding="utf-8", errors="replace") as lines:
            for row in csv.DictReader(lines):
                if None in row.values():
                    continue  # a line that is just being written
                try:
                    numbers = {name: float(text) for name, text in row.items() if name and text}
                    epoch = int(numbers.pop("epoch"))
                except (KeyError, TypeError, ValueError):
                    continue
                numbers.pop("value", None)
                yield epoch, numbers
    except (OSError, csv.Error):
        return


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
        types |= {int if isinstance(one, IntDistribution) else float for one in distributions if not _categorical(one)}
    if types <= {int}:
        return _integers(values)
    if types <= {int, float}:
        return _floats(values)
    import pandas as pd

    if types == {bool}:
        return pd.array(values, dtype="boolean")
    # Strings, or a mixture of types, which neither a column of a frame nor one of a Parquet file can hold.
    texts = [None if value is None else str(value) for value in values]
    return _category(texts, list(dict.fromkeys([str(choice) for choice in choices] + [text for text in texts if text])))


def _categorical(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution)


def _integers(values: list[Any]) -> Any:
    import pandas as pd

    return pd.array(values, dtype="Int64")


def _floats(values: list[Any]) -> Any:
    import numpy as np

    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _strings(values: list[Any]) -> Any:
    import pandas as pd

    return pd.array(values, dtype="str")


def _times(values: list[datetime | None]) -> Any:
    import pandas as pd

    return pd.to_datetime(pd.Series(values, dtype="datetime64[us, UTC]"), utc=True)


def _category(values: list[str | None], categories: list[str] | None = None) -> Any:
    import pandas as pd

    known = categories or sorted({value for value in values if value is not None})
    return pd.Categorical(values, categories=pd.Index(known, dtype="str"))
