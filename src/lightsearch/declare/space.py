"""The search space: which arguments are sampled, and from what."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, NamedTuple

from optuna.trial import BaseTrial, FixedTrial
from pydantic import BaseModel, ConfigDict, model_validator

from lightsearch.declare.base_parameter import BaseParameter
from lightsearch.declare.parameters import FixedParameter, ListParameter, Parameter
from lightsearch.declare.values import Value

LONGEST_NAME = 256
"""Characters of an argument's name. PostgreSQL keeps 512 of a parameter's, and lists add to them."""

Section = Literal["model", "data", "trainer"]


class Entry(NamedTuple):
    """One sampled argument."""

    name: str
    """Its name in the study."""
    section: Section
    """The thing that takes it."""
    argument: str
    """Its name in that thing's signature; ``outer.inner`` within an argument that is a table."""
    parameter: BaseParameter


class Space(BaseModel):
    """What is sampled, written under the thing that it parameterises."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: dict[str, Parameter] = {}
    """Constructor arguments of the model."""
    data: dict[str, Parameter] = {}
    """Constructor arguments of the data."""
    trainer: dict[str, Parameter] = {}
    """Keyword arguments of the Lightning Trainer."""

    @model_validator(mode="after")
    def _check(self) -> Space:
        for section, parameters in (("model", self.model), ("data", self.data), ("trainer", self.trainer)):
            for argument in parameters:
                _check_argument(argument, parameters, section)
        before: dict[str, BaseParameter] = {}
        for entry in self.entries:
            for name, value in (entry.parameter.when or {}).items():
                if name not in before:
                    raise ValueError(f"{entry.name}: when asks for {name}, which is no parameter before it in the file")
                for one in value if isinstance(value, tuple) else (value,):
                    if not before[name].contains(one):
                        raise ValueError(f"{entry.name}: when asks for {name} = {one!r}, which is never sampled")
            if not isinstance(entry.parameter, ListParameter | FixedParameter):
                before[entry.name] = entry.parameter
        return self

    @property
    def entries(self) -> list[Entry]:
        """Every argument of the space, in the order of the file.

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

    @property
    def names(self) -> list[str]:
        """The names of the study's parameters, as far as they can be listed: a list's items are left out."""
        sampled = [entry for entry in self.entries if not isinstance(entry.parameter, FixedParameter)]
        return [
            f"{entry.name}.length" if isinstance(entry.parameter, ListParameter) else entry.name for entry in sampled
        ]

    @property
    def conditional(self) -> bool:
        """Whether some parameters are sampled in some trials only."""
        return any(entry.parameter.when or isinstance(entry.parameter, ListParameter) for entry in self.entries)

    def suggest(self, trial: BaseTrial) -> dict[str, Value]:
        """Samples every parameter of ``trial``; on a trial that has them already, reads them."""
        params: dict[str, Value] = {}
        for entry in self.entries:
            if entry.parameter.applies(params):
                params |= entry.parameter.suggest(trial, entry.name)
        return params

    def is_sampled(self, params: dict[str, Any]) -> bool:
        """Whether a trial has all the parameters that ``suggest`` samples."""
        with warnings.catch_warnings(action="ignore"):  # another program may have enqueued what is out of range
            try:
                self.suggest(FixedTrial(params))
            except ValueError:
                return False
        return True

    def split(self, params: dict[str, Any]) -> dict[Section, dict[str, Any]]:
        """Sorts sampled values by what takes them: ``{"model": {...}, "data": {...}, "trainer": {...}}``."""
        arguments: dict[Section, dict[str, Any]] = {"model": {}, "data": {}, "trainer": {}}
        for entry in self.entries:
            if entry.parameter.applies(params):
                table: dict[str, Any] = arguments[entry.section]
                *outer, name = entry.argument.split(".")
                for part in outer:
                    table = table.setdefault(part, {})
                table[name] = entry.parameter.argument(params, entry.name)
        return arguments

    def join(self, arguments: dict[Section, dict[str, Any]]) -> dict[str, Value]:
        """The values that make these arguments: the inverse of ``split``.

        Raises:
            ValueError: if an argument is not there, or cannot be sampled.
        """
        params: dict[str, Value] = {}
        for entry in self.entries:
            if not entry.parameter.applies(params):
                continue
            value: Any = arguments[entry.section]
            for part in entry.argument.split("."):
                if not isinstance(value, dict) or part not in value:
                    raise ValueError(f"{entry.name} has no value")
                value = value[part]
            params |= entry.parameter.read(value, entry.name)
        return params

    @property
    def points(self) -> int | None:
        """How many configurations there are; None if a parameter is continuous or conditional."""
        counts = [
            entry.parameter.counted() for entry in self.entries if not isinstance(entry.parameter, FixedParameter)
        ]
        return None if self.conditional or None in counts else math.prod(count or 0 for count in counts)

    def grid(self) -> dict[str, list[Value]] | None:
        """Every parameter's values, for samplers that enumerate; None if one of them is continuous or conditional."""
        if self.points is None:
            return None
        sampled = [entry for entry in self.entries if not isinstance(entry.parameter, FixedParameter)]
        return {entry.name: entry.parameter.grid() or [] for entry in sampled}


def _check_argument(argument: str, arguments: dict[str, Any], section: str) -> None:
    """Refuses a name that makes no argument, and one within another that is sampled as well."""
    if len(argument) > LONGEST_NAME or not all(argument.split(".")) or not argument.isprintable():
        raise ValueError(f"{section}.{argument[:40]!r} is no argument's name; write it as in the signature")
    parts = argument.split(".")
    for count in range(1, len(parts)):
        if (outer := ".".join(parts[:count])) in arguments:
            raise ValueError(f"{section} has {outer} and {argument}, which is a part of it; keep one")
