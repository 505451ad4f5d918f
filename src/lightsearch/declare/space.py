"""The search space: the sampled arguments and their parameters."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, NamedTuple

from optuna.trial import BaseTrial, FixedTrial
from pydantic import BaseModel, ConfigDict, model_validator

from lightsearch.declare.base_parameter import BaseParameter
from lightsearch.declare.parameters import FixedParameter, ListParameter, Parameter
from lightsearch.declare.values import Value, part_of

LONGEST_NAME = 256
"""Characters of an argument's name. PostgreSQL keeps 512 of a parameter's, and lists add to them."""

Section = Literal["model", "data", "trainer", "callbacks", "config"]
"""What takes a sampled argument."""


class Entry(NamedTuple):
    """One sampled argument."""

    name: str
    """Its name in the study."""
    section: Section
    """What takes it."""
    argument: str
    """Its name in the signature. ``outer.inner`` is the key ``inner`` of an argument that is a table."""
    parameter: BaseParameter
    """How it is sampled."""


class Space(BaseModel):
    """The sampled arguments of the model, the data, the Trainer and the callbacks."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: dict[str, Parameter] = {}
    """Constructor arguments of the model."""
    data: dict[str, Parameter] = {}
    """Constructor arguments of the data."""
    trainer: dict[str, Parameter] = {}
    """Keyword arguments of the Lightning Trainer."""
    callbacks: dict[str, Parameter] = {}
    """Constructor arguments of the callbacks: ``"EarlyStopping.patience"``; see ``CallbackSpec.label``."""
    config: dict[str, Parameter] = {}
    """Keys of a LightningCLI configuration: ``"model.init_args.width"``, ``"trainer.gradient_clip_val"``."""

    @model_validator(mode="after")
    def _check(self) -> Space:
        for section, parameters in self.sections.items():
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
    def sections(self) -> dict[Section, dict[str, Any]]:
        """The parameters of each section, in the order in which they are sampled."""
        return {
            "model": self.model,
            "data": self.data,
            "trainer": self.trainer,
            "callbacks": self.callbacks,
            "config": self.config,
        }

    @property
    def entries(self) -> list[Entry]:
        """All arguments of the space, in the order of the file.

        The name in the study is that of the argument. If two sections have an argument of the same name, the section
        precedes both (``model.dropout``, ``data.dropout``). A key ``trainer.NAME`` of a configuration is a keyword
        argument of the Trainer.
        """
        arguments = [argument for parameters in self.sections.values() for argument in parameters]
        return [
            Entry(
                argument if arguments.count(argument) == 1 else f"{section}.{argument}",
                *_taker(section, argument),
                parameter,
            )
            for section, parameters in self.sections.items()
            for argument, parameter in parameters.items()
        ]

    @property
    def names(self) -> list[str]:
        """Names of the study's parameters. Those of the items of lists are left out, since their number varies."""
        sampled = [entry for entry in self.entries if not isinstance(entry.parameter, FixedParameter)]
        return [
            f"{entry.name}.length" if isinstance(entry.parameter, ListParameter) else entry.name for entry in sampled
        ]

    @property
    def prior(self) -> dict[str, Value]:
        """The values that the user believes to be good, by their names in the study."""
        return {name: value for entry in self.entries for name, value in entry.parameter.believed(entry.name).items()}

    def shape(self) -> dict[str, Any]:
        """What is sampled, as plain JSON: the space without what is believed of it, and without what is not set."""
        shape = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        for parameters in shape.values():
            for table in parameters.values():
                for one in (table, table.get("list", {})):
                    one.pop("prior", None)
        return shape

    @property
    def conditional(self) -> bool:
        """Whether some parameters are not sampled in every trial."""
        return any(entry.parameter.when or isinstance(entry.parameter, ListParameter) for entry in self.entries)

    def suggest(self, trial: BaseTrial) -> dict[str, Value]:
        """Samples all parameters of ``trial``, or reads them if the trial has them already."""
        params: dict[str, Value] = {}
        for entry in self.entries:
            if entry.parameter.applies(params):
                params |= entry.parameter.suggest(trial, entry.name)
        return params

    def is_sampled(self, params: dict[str, Any]) -> bool:
        """Whether a trial has all the parameters that ``suggest`` samples."""
        with warnings.catch_warnings(action="ignore"):  # another program may have enqueued values out of range
            try:
                self.suggest(FixedTrial(params))
            except ValueError:
                return False
        return True

    def split(self, params: dict[str, Any]) -> dict[Section, dict[str, Any]]:
        """The arguments that sampled values make, by section: ``{"model": {...}, "data": {...}, ...}``."""
        arguments: dict[Section, dict[str, Any]] = {section: {} for section in self.sections}
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
            ValueError: if an argument is missing, or cannot be sampled.
        """
        params: dict[str, Value] = {}
        for entry in self.entries:
            if not entry.parameter.applies(params):
                continue
            value: Any = arguments[entry.section]
            for part in entry.argument.split("."):
                is_table = isinstance(value, dict)
                if (is_table and part not in value) or (not is_table and part_of(value, part) is None):
                    raise ValueError(f"{entry.name} has no value")
                value = part_of(value, part)
            params |= entry.parameter.read(value, entry.name)
        return params

    @property
    def points(self) -> int | None:
        """Number of configurations. None if a parameter is continuous or conditional."""
        counts = [
            entry.parameter.counted() for entry in self.entries if not isinstance(entry.parameter, FixedParameter)
        ]
        return None if self.conditional or None in counts else math.prod(count or 0 for count in counts)

    def grid(self) -> dict[str, list[Value]] | None:
        """The values of every parameter, for samplers that enumerate. None if one is continuous or conditional."""
        if self.points is None:
            return None
        sampled = [entry for entry in self.entries if not isinstance(entry.parameter, FixedParameter)]
        return {entry.name: entry.parameter.grid() or [] for entry in sampled}


def _taker(section: Section, argument: str) -> tuple[Section, str]:
    """The section that takes an argument, and its name there."""
    outer, _, name = argument.partition(".")
    is_keyword = section == "config" and outer == "trainer" and "." not in name
    return ("trainer", name) if is_keyword else (section, argument)


def _check_argument(argument: str, arguments: dict[str, Any], section: str) -> None:
    """Refuses a name that no argument can have, and a part of another sampled argument."""
    if len(argument) > LONGEST_NAME or not all(argument.split(".")) or not argument.isprintable():
        raise ValueError(f"{section}.{argument[:40]!r} is not the name of an argument; write it as in the signature")
    parts = argument.split(".")
    for count in range(1, len(parts)):
        if (outer := ".".join(parts[:count])) in arguments:
            raise ValueError(f"{section} has {outer} and {argument}, which is a part of it; keep one")
