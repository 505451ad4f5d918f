"""Parameters of the search space: ints, floats, choices, fixed values, lists. The only file that samples."""

from __future__ import annotations

import math
from typing import Annotated, Any

from optuna.trial import BaseTrial
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

Value = bool | int | float | str

MOST_FLOAT = 1e150
"""Bounds of real numbers lie between minus this and this: samplers square them."""

LEAST_LOG = 1e-150
"""The lowest lower bound of a logarithmic scale, for the same reason."""

MOST_INT = 2**53
"""Bounds of whole numbers lie between minus this and this: storages keep them as double precision numbers."""

MOST_ITEMS = 1000
"""Items of a list at most."""

LONGEST_NAME = 256
"""Characters of an argument's name; PostgreSQL keeps 512 of a parameter's, and lists add to them."""

list_as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""TOML has arrays only; frozen sections hold tuples."""


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


class BaseParameter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    when: dict[str, ValueOrList] | None = None
    """Sampled only where other parameters have these values: ``when = { optimizer = "sgd" }``, or one of a list."""

    def applies(self, params: dict[str, Any]) -> bool:
        """Whether it is sampled, beside these values of the parameters before it."""
        for name, value in (self.when or {}).items():
            values = value if isinstance(value, tuple) else (value,)
            if name not in params or params[name] not in values:
                return False
        return True

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        """Samples it; returns the values by their names in the study."""
        raise NotImplementedError

    def argument(self, params: dict[str, Any], name: str) -> Any:
        """The argument that sampled values make."""
        return params[name]

    def read(self, argument: Any, name: str) -> dict[str, Value]:
        """The values that make an argument: the inverse of ``argument``.

        Raises:
            ValueError: if it cannot be sampled.
        """
        if not isinstance(argument, bool | int | float | str) or not self.contains(argument):
            raise ValueError(f"{name} = {argument!r} is outside the space")
        return {name: argument}

    def contains(self, value: Value) -> bool:
        """Whether a value can be sampled."""
        raise NotImplementedError

    @property
    def takes(self) -> str:
        """What ``contains`` asks for, in words: ``whole numbers from 16 to 512``."""
        raise NotImplementedError

    def counted(self) -> int | None:
        """How many values there are; None if they cannot be counted."""
        return None

    def examples(self) -> list[Any]:
        """Arguments that it makes, the outermost ones, to see whether somebody takes them."""
        raise NotImplementedError

    def grid(self) -> list[Value] | None:
        """All values; None if they cannot be counted."""
        return None


class IntParameter(BaseParameter):
    """Whole numbers in [low, high], both included: ``{ int = [16, 512], log = true }``."""

    bounds: Annotated[tuple[int, int], list_as_tuple] = Field(alias="int")
    """Lowest and highest value."""
    log: bool = False
    """Sample on a logarithmic scale."""
    step: int | None = Field(default=None, ge=1)
    """Distance between neighbouring values; not together with ``log``."""

    @model_validator(mode="after")
    def _check(self) -> IntParameter:
        _check_range(*self.bounds, log=self.log, step=self.step)
        return self

    def examples(self) -> list[Any]:
        return list(self.bounds)

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        low, high = self.bounds
        return {name: trial.suggest_int(name, low, high, step=self.step or 1, log=self.log)}

    def contains(self, value: Value) -> bool:
        low, high = self.bounds
        return type(value) is int and low <= value <= high and (value - low) % (self.step or 1) == 0

    @property
    def takes(self) -> str:
        low, high = self.bounds
        return f"whole numbers from {low} to {high}" + (f" in steps of {self.step}" if self.step else "")

    def counted(self) -> int | None:
        low, high = self.bounds
        return (high - low) // (self.step or 1) + 1

    def grid(self) -> list[Value] | None:
        low, high = self.bounds
        return list(range(low, high + 1, self.step or 1))


class FloatParameter(BaseParameter):
    """Real numbers in [low, high]: ``{ float = [1e-4, 1e-1], log = true }``."""

    bounds: Annotated[tuple[float, float], list_as_tuple] = Field(alias="float")
    """Lowest and highest value."""
    log: bool = False
    """Sample on a logarithmic scale."""
    step: float | None = Field(default=None, gt=0)
    """Distance between neighbouring values; not together with ``log``."""

    @model_validator(mode="after")
    def _check(self) -> FloatParameter:
        _check_range(*self.bounds, log=self.log, step=self.step)
        return self

    def examples(self) -> list[Any]:
        return list(self.bounds)

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        low, high = self.bounds
        return {name: trial.suggest_float(name, low, high, step=self.step, log=self.log)}

    def contains(self, value: Value) -> bool:
        (low, high), step = self.bounds, self.step
        if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
            return False
        return step is None or abs((float(value) - low) / step - round((float(value) - low) / step)) < 1e-8

    @property
    def takes(self) -> str:
        low, high = self.bounds
        return f"numbers from {low:g} to {high:g}" + (f" in steps of {self.step:g}" if self.step else "")

    def counted(self) -> int | None:
        low, high = self.bounds
        return None if self.step is None else math.floor((high - low) / self.step + 1e-9) + 1

    def grid(self) -> list[Value] | None:
        count = self.counted()
        return None if count is None else [self.bounds[0] + i * (self.step or 0) for i in range(count)]


class ChoiceParameter(BaseParameter):
    """One of a list of values: ``{ choice = [32, 64, 128] }``."""

    choice: Annotated[tuple[PlainValue, ...], list_as_tuple]
    """The values, each a boolean, a number or a string."""

    @field_validator("choice")
    @classmethod
    def _check(cls, choice: tuple[Value, ...]) -> tuple[Value, ...]:
        if not choice:
            raise ValueError("should have at least 1 item")
        if len({(type(value), value) for value in choice}) < len(choice):
            raise ValueError("a value stands there twice; list each once")
        return choice

    def examples(self) -> list[Any]:
        return list(self.choice)

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        value = trial.suggest_categorical(name, self.choice)
        assert value is not None  # None is no choice in TOML
        return {name: value}

    def contains(self, value: Value) -> bool:
        # Optuna looks it up by ==, which takes 1 for True; so far as types go, a whole number serves as a real one.
        same = [choice for choice in self.choice if choice == value]
        return any(isinstance(choice, bool) == isinstance(value, bool) for choice in same)

    @property
    def takes(self) -> str:
        return "one of " + ", ".join(map(repr, self.choice))

    def counted(self) -> int | None:
        return len(self.choice)

    def grid(self) -> list[Value] | None:
        return list(self.choice)


KINDS = ("int", "float", "choice", "list", "fixed")


def _kind(declared: object) -> str | None:
    """Picks the kind of parameter by its key, so that a mistake is reported against that kind alone."""
    if isinstance(declared, BaseParameter):
        return f"<{type(declared).__name__.removesuffix('Parameter').lower()}>"
    kinds = set(KINDS) & declared.keys() if isinstance(declared, dict) else set()
    return f"<{kinds.pop()}>" if len(kinds) == 1 else None


def _fixed(declared: object) -> object:
    """A value that stands alone is the same in every trial."""
    return declared if isinstance(declared, dict | BaseParameter) else {"fixed": declared}


Scalar = Annotated[
    Annotated[IntParameter, Tag("<int>")]
    | Annotated[FloatParameter, Tag("<float>")]
    | Annotated[ChoiceParameter, Tag("<choice>")],
    Discriminator(
        _kind,
        custom_error_type="parameter",
        custom_error_message="write { int = [low, high] }, { float = [low, high] } or { choice = [...] }",
    ),
]


class FixedParameter(BaseParameter):
    """The same value in every trial: ``dropout = 0.1``."""

    fixed: ValueOrList
    """The value, or a list of values."""

    def examples(self) -> list[Any]:
        return [self.argument({}, "")]

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:  # noqa: ARG002
        return {}

    def argument(self, params: dict[str, Any], name: str) -> Any:  # noqa: ARG002
        return list(self.fixed) if isinstance(self.fixed, tuple) else self.fixed

    def read(self, argument: Any, name: str) -> dict[str, Value]:  # noqa: ARG002
        return {}


class ListParameter(BaseParameter):
    """A list: ``{ list = { int = [16, 256] }, length = [1, 4] }`` samples how long it is, and each of its items.

    In the study they are ``NAME.length``, ``NAME.0``, ``NAME.1``, ...
    """

    item: Scalar = Field(alias="list")
    """What each item is."""
    length: Annotated[int | tuple[int, int], list_as_tuple]
    """How many items: a number, or the least and the most."""

    @model_validator(mode="after")
    def _check(self) -> ListParameter:
        low, high = self.lengths
        if not 0 <= low <= high:
            raise ValueError(f"length = {self.length}: write a number, or [least, most]")
        if high > MOST_ITEMS:
            raise ValueError(f"length = {self.length}: each item is a parameter; write {MOST_ITEMS} at most")
        return self

    @property
    def lengths(self) -> tuple[int, int]:
        """The least and the greatest number of items."""
        return self.length if isinstance(self.length, tuple) else (self.length, self.length)

    def examples(self) -> list[Any]:
        return [[example] for example in self.item.examples()]

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        sampled: dict[str, Value] = {}
        if isinstance(self.length, tuple):
            sampled[f"{name}.length"] = trial.suggest_int(f"{name}.length", *self.length)
        for position in range(self._count(sampled, name)):
            sampled |= self.item.suggest(trial, f"{name}.{position}")
        return sampled

    def argument(self, params: dict[str, Any], name: str) -> Any:
        return [params[f"{name}.{position}"] for position in range(self._count(params, name))]

    def read(self, argument: Any, name: str) -> dict[str, Value]:
        low, high = self.lengths
        if not isinstance(argument, list | tuple) or not low <= len(argument) <= high:
            raise ValueError(f"{name} = {argument!r} is outside the space")
        values: dict[str, Value] = {f"{name}.length": len(argument)} if isinstance(self.length, tuple) else {}
        for position, item in enumerate(argument):
            values |= self.item.read(item, f"{name}.{position}")
        return values

    def _count(self, params: dict[str, Any], name: str) -> int:
        return int(params[f"{name}.length"]) if isinstance(self.length, tuple) else self.length


Parameter = Annotated[
    Annotated[IntParameter, Tag("<int>")]
    | Annotated[FloatParameter, Tag("<float>")]
    | Annotated[ChoiceParameter, Tag("<choice>")]
    | Annotated[ListParameter, Tag("<list>")]
    | Annotated[FixedParameter, Tag("<fixed>")],
    Discriminator(
        _kind,
        custom_error_type="parameter",
        custom_error_message="write { int = [low, high] }, { float = [low, high] }, { choice = [...] } or "
        '{ list = { ... }, length = [least, most] }; an argument inside another is "outer.inner", in quotes',
    ),
    BeforeValidator(_fixed),
]


def _check_range(low: float, high: float, *, log: bool, step: float | None) -> None:
    most = MOST_INT if isinstance(low, int) else MOST_FLOAT
    if not (-most <= low <= most and -most <= high <= most):
        words = f"-2**53 and 2**53 ({MOST_INT})" if isinstance(low, int) else f"-{most:g} and {most:g}"
        raise ValueError(f"the bounds must be finite numbers between {words}")
    if low > high:
        raise ValueError(f"the lower bound {low} is above the upper bound {high}; swap them")
    if log and low <= 0:
        raise ValueError(f"log = true needs a lower bound above 0, not {low}")
    if log and low < LEAST_LOG:
        raise ValueError(f"log = true needs a lower bound of {LEAST_LOG:g} or more, not {low}")
    if step is None:
        return
    if log:
        raise ValueError("log and step exclude each other; drop one")
    if not step <= MOST_FLOAT:
        raise ValueError(f"step = {step}: write a finite number")
    if step > high - low > 0:
        raise ValueError(f"step = {step} is more than the range from {low} to {high}; write a smaller one")
    if (high - low) / step > MOST_INT:
        raise ValueError(f"step = {step} makes more steps than can be counted; write a larger one, or none")
