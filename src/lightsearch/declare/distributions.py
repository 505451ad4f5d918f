"""Parameters of the search space as Python writes them: ``Int(16, 512, log=True)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import KW_ONLY, Field, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from lightsearch.declare.parameters import Parameter
from lightsearch.declare.values import Value, as_plain
from lightsearch.python_words import as_python

When = Mapping[str, Any] | None
"""Values of other parameters: ``{"optimizer": "sgd"}``, or ``{"optimizer": ["sgd", "rmsprop"]}`` for one of several."""

_PARAMETER: TypeAdapter[Any] = TypeAdapter(Parameter)


@dataclass(frozen=True, repr=False)
class Distribution:
    """What an argument is sampled from. In a declaration, it stands in the place of a study file's table."""

    kind: ClassVar[str]
    """The key of the table: ``int``."""

    def __post_init__(self) -> None:
        for one in fields(self):  # a copy: a dictionary or a list of the caller's may change later
            object.__setattr__(self, one.name, _copied(getattr(self, one.name)))
        try:
            _PARAMETER.validate_python(self.table)
        except ValidationError as error:
            mistakes = "; ".join(as_python(_message(one)) for one in error.errors())
            raise ValueError(f"{self!r}: {mistakes}") from None

    @property
    def table(self) -> dict[str, Any]:
        """It as a study file writes it: ``{"int": [16, 512], "log": True}``."""
        return {self.kind: self._value(), **as_tables(self._options())}

    def __repr__(self) -> str:
        options = [f"{name}={value!r}" for name, value in self._options().items()]
        return f"{type(self).__name__}({', '.join([*map(repr, self._positional()), *options])})"

    def _value(self) -> Any:
        return as_tables(self._positional())

    def _positional(self) -> list[Any]:
        return [getattr(self, one.name) for one in fields(self) if not one.kw_only]

    def _options(self) -> dict[str, Any]:
        """The keyword arguments that differ from their defaults."""
        values = {one: getattr(self, one.name) for one in fields(self) if one.kw_only}
        return {one.name: value for one, value in values.items() if _differs(one, value)}


@dataclass(frozen=True, repr=False)
class Int(Distribution):
    """Whole numbers from ``low`` to ``high``, both included: ``Int(16, 512, log=True)``.

    Raises:
        ValueError: if that is no range.
    """

    kind = "int"
    low: int
    """The lowest value."""
    high: int
    """The highest value."""
    _: KW_ONLY
    log: bool = False
    """Sample on a logarithmic scale."""
    step: int | None = None
    """Distance between neighbouring values; not together with ``log``."""
    prior: int | None = None
    """A value that is probably good, where the search begins."""
    when: When = field(default=None, hash=False)
    """Sampled only where other parameters have these values: ``when={"optimizer": "sgd"}``."""


@dataclass(frozen=True, repr=False)
class Float(Distribution):
    """Real numbers from ``low`` to ``high``: ``Float(1e-4, 1e-1, log=True)``.

    Raises:
        ValueError: if that is no range.
    """

    kind = "float"
    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    _: KW_ONLY
    log: bool = False
    """Sample on a logarithmic scale."""
    step: float | None = None
    """Distance between neighbouring values; not together with ``log``."""
    prior: float | None = None
    """A value that is probably good, where the search begins."""
    when: When = field(default=None, hash=False)
    """Sampled only where other parameters have these values."""


@dataclass(frozen=True, repr=False, init=False)
class Choice(Distribution):
    """One of several values: ``Choice("adam", "sgd")``, or ``Choice(["adam", "sgd"])``.

    Raises:
        ValueError: if there is no value, a value twice, or one that is no boolean, number or string.
    """

    kind = "choice"
    values: tuple[Value, ...]
    """The values."""
    _: KW_ONLY
    prior: Value | None = None
    """The value that is probably good, where the search begins."""
    when: When = field(default=None, hash=False)
    """Sampled only where other parameters have these values."""

    def __init__(self, *values: Any, prior: Value | None = None, when: When = None) -> None:
        object.__setattr__(self, "values", tuple(values[0]) if len(values) == 1 and _is_ordered(values[0]) else values)
        object.__setattr__(self, "prior", prior)
        object.__setattr__(self, "when", when)
        self.__post_init__()

    def _positional(self) -> list[Any]:
        return list(self.values)


@dataclass(frozen=True, repr=False)
class List(Distribution):
    """A list, such as the widths of layers: ``List(Int(16, 256, log=True), length=(1, 3))``.

    Raises:
        ValueError: if that is no list that can be sampled.
    """

    kind = "list"
    item: Distribution
    """What each item is sampled from: an ``Int``, a ``Float`` or a ``Choice``."""
    _: KW_ONLY
    length: int | tuple[int, int]
    """The number of items, or the least and the greatest number."""
    prior: Sequence[Value] | None = None
    """A list that is probably good, where the search begins. ``item`` may have a ``prior`` instead."""
    when: When = field(default=None, hash=False)
    """Sampled only where other parameters have these values."""

    def __post_init__(self) -> None:
        length = as_plain(self.length)
        object.__setattr__(self, "length", tuple(length) if isinstance(length, list) else length)
        prior = as_plain(self.prior)
        object.__setattr__(self, "prior", tuple(prior) if isinstance(prior, list) else prior)
        super().__post_init__()

    def _value(self) -> Any:
        return as_tables(self.item)


@dataclass(frozen=True, repr=False)
class Fixed(Distribution):
    """The same value in every trial. A value without it means the same; it can have a condition.

    Raises:
        ValueError: if the value is no boolean, number or string, and no list of them.
    """

    kind = "fixed"
    value: Any = field(hash=False)
    """The value, or a list of values."""
    _: KW_ONLY
    when: When = field(default=None, hash=False)
    """Given only where other parameters have these values; elsewhere the class has its own default."""

    def _value(self) -> Any:
        return as_tables(self.value)


def as_tables(declared: Any) -> Any:
    """A declaration with a table in the place of each distribution, and without NumPy's values, at any depth."""
    declared = as_plain(declared)
    if isinstance(declared, Distribution):
        return declared.table
    if isinstance(declared, Mapping):
        return {key: as_tables(value) for key, value in declared.items()}
    if isinstance(declared, list | tuple):
        return [as_tables(value) for value in declared]
    return declared


def _copied(value: Any) -> Any:
    value = as_plain(value)
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else value


def _is_ordered(values: Any) -> bool:
    """Whether it is a list, a range, an array or the like: several values, in the same order in every process."""
    return isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping | Set | np.generic)


def _differs(field: Field[Any], value: Any) -> bool:
    return not (type(value) is type(field.default) and value == field.default)


def _message(details: Any) -> str:
    """One of pydantic's errors: the value that is wrong, unless that is the whole, and why."""
    if details["type"] == "parameter":  # its message is for a study file
        return f"{details['input']!r}: give an Int, a Float or a Choice"
    message, given = str(details["msg"]).removeprefix("Value error, "), details["input"]
    if isinstance(given, dict):
        return message
    return f"{given!r} {message.removeprefix('Input ')}" if message.startswith("Input ") else f"{given!r}: {message}"
