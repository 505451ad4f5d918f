"""Columns of the tables: types that survive CSV and Parquet, times in UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from lightsearch.study.leases import LEASE_SECONDS

if TYPE_CHECKING:
    pass

ZONE_SECONDS = 900
"""Time zones differ by multiples of a quarter of an hour."""


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


def is_categorical(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution)


def integer_column(values: list[Any]) -> Any:
    import pandas as pd

    return pd.array(values, dtype="Int64")


def float_column(values: list[Any]) -> Any:
    import numpy as np

    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def string_column(values: list[Any]) -> Any:
    import pandas as pd

    return pd.array(values, dtype="str")


def time_column(values: list[datetime | None]) -> Any:
    import pandas as pd

    return pd.to_datetime(pd.Series(values, dtype="datetime64[us, UTC]"), utc=True)


def category_column(values: list[str | None], categories: list[str] | None = None) -> Any:
    import pandas as pd

    known = categories or sorted({value for value in values if value is not None})
    return pd.Categorical(values, categories=pd.Index(known, dtype="str"))
