"""Columns of the tables, with types that survive CSV and Parquet. A missing value is None."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution


def integer_column(values: list[Any]) -> Any:
    """Int64, which has missing values."""
    import pandas as pd

    return pd.array(values, dtype="Int64")


def float_column(values: list[Any]) -> Any:
    """float64; a missing value is NaN."""
    import numpy as np

    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def string_column(values: list[Any]) -> Any:
    """str."""
    import pandas as pd

    return pd.array(values, dtype="str")


def time_column(values: list[datetime | None]) -> Any:
    """datetime64[us, UTC]."""
    import pandas as pd

    return pd.to_datetime(pd.Series(values, dtype="datetime64[us, UTC]"), utc=True)


def category_column(values: list[str | None], categories: list[str] | None = None) -> Any:
    """A category of strings; without ``categories``, those that appear, sorted."""
    import pandas as pd

    known = categories or sorted({value for value in values if value is not None})
    return pd.Categorical(values, categories=pd.Index(known, dtype="str"))


def parameter_column(values: list[Any], distributions: list[BaseDistribution]) -> Any:
    """A parameter's values, with the type that its distributions give.

    Returns:
        Int64 or float64 for numbers, boolean for booleans, else a category with all choices, in their order.
    """
    choices: list[Any] = []
    types: set[type] = set()
    for one in distributions:
        if isinstance(one, CategoricalDistribution):
            choices += [choice for choice in one.choices if choice not in choices]
        else:
            types.add(int if isinstance(one, IntDistribution) else float)
    types |= {type(choice) for choice in choices}
    if types <= {int}:
        return integer_column(values)
    if types <= {int, float}:
        return float_column(values)
    import pandas as pd

    if types == {bool}:
        return pd.array(values, dtype="boolean")
    # Strings, or a mixture of types, which neither a column of a frame nor one of a Parquet file can hold.
    texts = [None if value is None else str(value) for value in values]
    known = dict.fromkeys([str(choice) for choice in choices] + [text for text in texts if text])
    return category_column(texts, list(known))
