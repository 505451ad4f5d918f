"""Parameters with one value: whole numbers, real numbers, choices."""

from __future__ import annotations

import math
from typing import Annotated, Any

from optuna.trial import BaseTrial
from pydantic import Field, field_validator, model_validator

from lightsearch.declare.base_parameter import BaseParameter
from lightsearch.declare.values import MOST_INT, PlainValue, Value, list_as_tuple

MOST_FLOAT = 1e150
"""Bounds of real numbers lie between minus this and this: samplers square them."""

LEAST_LOG = 1e-150
"""The lowest lower bound of a logarithmic scale, for the same reason."""


class ScalarParameter(BaseParameter):
    """A parameter with one value."""

    prior: PlainValue | None = None
    """A value that is probably good: the search begins there, and forgets it if others are better."""

    @model_validator(mode="after")
    def _check_prior(self) -> ScalarParameter:
        if self.prior is not None and not self.contains(self.prior):
            raise ValueError(f"prior = {self.prior!r} is never sampled; write {self.takes}")
        return self

    def believed(self, name: str) -> dict[str, Value]:
        return {} if self.prior is None else {name: self.prior}


class RangeParameter(ScalarParameter):
    """Numbers in [low, high], both included."""

    bounds: tuple[float, float]
    """Lowest and highest value."""
    step: float | None = None
    """Distance between neighbouring values; not together with ``log``."""
    log: bool = False
    """Sample on a logarithmic scale."""

    @model_validator(mode="after")
    def _check(self) -> RangeParameter:
        _check_range(*self.bounds, log=self.log, step=self.step)
        return self

    def examples(self) -> list[Any]:
        return list(self.bounds)


class IntParameter(RangeParameter):
    """Whole numbers in [low, high], both included: ``{ int = [16, 512], log = true }``."""

    bounds: Annotated[tuple[int, int], list_as_tuple] = Field(alias="int")
    step: int | None = Field(default=None, ge=1)

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


class FloatParameter(RangeParameter):
    """Real numbers in [low, high]: ``{ float = [1e-4, 1e-1], log = true }``."""

    bounds: Annotated[tuple[float, float], list_as_tuple] = Field(alias="float")
    step: float | None = Field(default=None, gt=0)

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        low, high = self.bounds
        value = trial.suggest_float(name, low, high, step=self.step, log=self.log)
        return {name: float(value)}  # Optuna returns an enqueued 1 as it is

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


class ChoiceParameter(ScalarParameter):
    """One of a list of values: ``{ choice = [32, 64, 128] }``."""

    choice: Annotated[tuple[PlainValue, ...], list_as_tuple]
    """The values, each a boolean, a number or a string."""

    @field_validator("choice")
    @classmethod
    def _check(cls, choice: tuple[Value, ...]) -> tuple[Value, ...]:
        if not choice:
            raise ValueError("should have at least 1 item")
        if len({(type(value), value) for value in choice}) < len(choice):
            raise ValueError("a value is there twice; write each once")
        return choice

    def examples(self) -> list[Any]:
        return list(self.choice)

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        value = trial.suggest_categorical(name, self.choice)
        assert value is not None  # None is no choice in TOML
        # Optuna returns an enqueued 1 as it is, also where the choice is 1.0.
        return {name: min(self._equal(value), key=lambda choice: type(choice) is not type(value))}

    def contains(self, value: Value) -> bool:
        return bool(self._equal(value))

    def _equal(self, value: Value) -> list[Value]:
        """The choices that are meant by a value; a whole number is accepted for a real one, but not 1 for True."""
        return [one for one in self.choice if one == value and isinstance(one, bool) == isinstance(value, bool)]

    @property
    def takes(self) -> str:
        return "one of " + ", ".join(map(repr, self.choice))

    def counted(self) -> int | None:
        return len(self.choice)

    def grid(self) -> list[Value] | None:
        return list(self.choice)


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
