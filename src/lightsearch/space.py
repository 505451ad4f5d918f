"""The search space: which arguments are sampled, and from what. The only file that calls ``trial.suggest_*``."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

from optuna.trial import BaseTrial
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

Value = bool | int | float | str
Section = Literal["model", "data", "trainer"]

list_as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""TOML has arrays only; frozen sections hold tuples."""


class _Parameter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class IntParameter(_Parameter):
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

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        low, high = self.bounds
        return trial.suggest_int(name, low, high, step=self.step or 1, log=self.log)

    def grid(self) -> list[Value] | None:
        low, high = self.bounds
        return list(range(low, high + 1, self.step or 1))


class FloatParameter(_Parameter):
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

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        low, high = self.bounds
        return trial.suggest_float(name, low, high, step=self.step, log=self.log)

    def grid(self) -> list[Value] | None:
        low, high = self.bounds
        if self.step is None:
            return None
        return [low + i * self.step for i in range(math.floor((high - low) / self.step + 1e-9) + 1)]


class ChoiceParameter(_Parameter):
    """One of a list of values: ``{ choice = [32, 64, 128] }``."""

    choice: Annotated[tuple[Value, ...], list_as_tuple] = Field(min_length=1)
    """The values, each a boolean, a number or a string."""

    @field_validator("choice")
    @classmethod
    def _check(cls, choice: tuple[Value, ...]) -> tuple[Value, ...]:
        if len({(type(value), value) for value in choice}) < len(choice):
            raise ValueError("a value stands there twice; list each once")
        return choice

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        value = trial.suggest_categorical(name, self.choice)
        assert value is not None  # None is no choice in TOML
        return value

    def grid(self) -> list[Value] | None:
        return list(self.choice)


def _kind(declared: object) -> str | None:
    """Picks the kind of parameter by its key, so that a mistake is reported against that kind alone."""
    if isinstance(declared, _Parameter):
        return f"<{type(declared).__name__.removesuffix('Parameter').lower()}>"
    kinds = {"int", "float", "choice"} & declared.keys() if isinstance(declared, dict) else set()
    return f"<{kinds.pop()}>" if len(kinds) == 1 else None


Parameter = Annotated[
    Annotated[IntParameter, Tag("<int>")]
    | Annotated[FloatParameter, Tag("<float>")]
    | Annotated[ChoiceParameter, Tag("<choice>")],
    Discriminator(
        _kind,
        custom_error_type="parameter",
        custom_error_message="write { int = [low, high] }, { float = [low, high] } or { choice = [...] }",
    ),
]


class Entry(NamedTuple):
    """One sampled argument."""

    name: str
    """Its name in the study."""
    section: Section
    """The thing that takes it."""
    argument: str
    """Its name in that thing's signature."""
    parameter: IntParameter | FloatParameter | ChoiceParameter


class Space(BaseModel):
    """What is sampled, written under the thing that it parameterises."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: dict[str, Parameter] = {}
    """Constructor arguments of the model."""
    data: dict[str, Parameter] = {}
    """Constructor arguments of the data."""
    trainer: dict[str, Parameter] = {}
    """Keyword arguments of the Lightning Trainer."""

    @property
    def entries(self) -> list[Entry]:
        """Every sampled argument, in the order of the file.

        The name in the study is the argument's own; where two sections have an argument of one name, both carry
        their section in front (``model.dropout``, ``data.dropout``).
        """
        sections: dict[Section, dict[str, Any]] = {"model": self.model, "data": self.data, "trainer": self.trainer}
        arguments = [argument for parameters in sections.values() for argument in parameters]
        return [
            Entry(argument if arguments.count(argument) == 1 else f"{section}.{argument}", section, argument, parameter)
            for section, parameters in sections.items()
            for argument, parameter in parameters.items()
        ]

    def suggest(self, trial: BaseTrial) -> dict[str, Value]:
        """Samples every parameter of ``trial``; on a trial that has them already, reads them."""
        return {entry.name: entry.parameter.suggest(trial, entry.name) for entry in self.entries}

    def split(self, params: dict[str, Any]) -> dict[Section, dict[str, Any]]:
        """Sorts sampled values by what takes them: ``{"model": {...}, "data": {...}, "trainer": {...}}``."""
        arguments: dict[Section, dict[str, Any]] = {"model": {}, "data": {}, "trainer": {}}
        for entry in self.entries:
            arguments[entry.section][entry.argument] = params[entry.name]
        return arguments

    def grid(self) -> dict[str, list[Value]] | None:
        """Every parameter's values, for samplers that enumerate; None if one of them is continuous."""
        grids = {entry.name: entry.parameter.grid() for entry in self.entries}
        return {name: grid for name, grid in grids.items() if grid is not None} if None not in grids.values() else None


def _check_range(low: float, high: float, *, log: bool, step: float | None) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("the bounds must be finite numbers")
    if low > high:
        raise ValueError(f"the lower bound {low} is above the upper bound {high}; swap them")
    if log and low <= 0:
        raise ValueError(f"log = true needs a lower bound above 0, not {low}")
    if log and step is not None:
        raise ValueError("log and step exclude each other; drop one")
