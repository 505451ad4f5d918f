"""Plain values of a study file: their types, and the largest numbers."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

Value = bool | int | float | str

MOST_INT = 2**53
"""No whole number is above this: storages and reports keep numbers in double precision."""

list_as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""TOML has lists only. Frozen sections hold tuples."""


def _plain(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("write a boolean, a number or a string")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("write a finite number")
    return value


def _plain_or_list(value: object) -> object:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else _plain(value)


PlainValue = Annotated[Value, BeforeValidator(_plain)]
"""A value of a parameter. Checked before the union, which would report it against each of its types."""

ValueOrList = Annotated[Value | tuple[Value, ...], BeforeValidator(_plain_or_list)]
"""A value of a parameter, or a list of them."""


def _one_or_more(given: object) -> object:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list):
        return tuple(given)
    raise ValueError("should be a valid string")


OneOrMore = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_more),
    PlainSerializer(lambda given: given[0] if len(given) == 1 else list(given)),
]
"""A string, or a list of strings for a study with several objectives."""


def part_of(value: Any, name: str) -> Any:
    """A part of a table by its key, or of a list by its position; None if there is none."""
    if isinstance(value, list | tuple):
        return value[int(name)] if name.isdigit() and int(name) < len(value) else None
    return value.get(name) if isinstance(value, dict) else None


def as_plain(value: Any) -> Any:
    """A value from Python as a study file could have it: NumPy's scalars as Python's, arrays and ranges as lists."""
    import numpy as np  # not before it is needed: a search starts its fork server first

    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, range) else value
