"""Parameters of the search space: scalars, lists, fixed values, and how a study file's table becomes one of them."""

from __future__ import annotations

from typing import Annotated, Any

from optuna.trial import BaseTrial
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from lightsearch.declare.base_parameter import BaseParameter
from lightsearch.declare.scalars import ChoiceParameter, FloatParameter, IntParameter
from lightsearch.declare.values import PlainValue, Value, ValueOrList, list_as_tuple

MOST_ITEMS = 1000
"""Items of a list at most."""

KINDS = ("int", "float", "choice", "list", "fixed")


def _kind(declared: object) -> str | None:
    """The tag of a parameter, by its key, so that a mistake is reported against one kind of parameter only."""
    if isinstance(declared, BaseParameter):
        return f"<{type(declared).__name__.removesuffix('Parameter').lower()}>"
    kinds = set(KINDS) & declared.keys() if isinstance(declared, dict) else set()
    return f"<{kinds.pop()}>" if len(kinds) == 1 else None


def _fixed(declared: object) -> object:
    """A value without a table is the same in every trial."""
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

    @property
    def takes(self) -> str:
        return repr(self.argument({}, ""))

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:  # noqa: ARG002
        return {}

    def argument(self, params: dict[str, Any], name: str) -> Any:  # noqa: ARG002
        return list(self.fixed) if isinstance(self.fixed, tuple) else self.fixed

    def read(self, argument: Any, name: str) -> dict[str, Value]:  # noqa: ARG002
        return {}


class ListParameter(BaseParameter):
    """A list: ``{ list = { int = [16, 256] }, length = [1, 4] }`` samples its length and each item.

    In the study, these are ``NAME.length``, ``NAME.0``, ``NAME.1``, ...
    """

    item: Scalar = Field(alias="list")
    """How each item is sampled."""
    length: Annotated[int | tuple[int, int], list_as_tuple]
    """Number of items, or the least and the most."""
    prior: Annotated[tuple[PlainValue, ...] | None, list_as_tuple] = None
    """A list that is probably good. The items may have a ``prior`` of their own instead."""

    @model_validator(mode="after")
    def _check(self) -> ListParameter:
        low, high = self.lengths
        if not 0 <= low <= high:
            raise ValueError(f"length = {self.length}: write a number, or [least, most]")
        if high == 0:
            raise ValueError(
                f"length = {self.length}: the list is always empty; write a number from 1, or [least, most]"
            )
        if high > MOST_ITEMS:
            raise ValueError(f"length = {self.length}: each item is a parameter; write {MOST_ITEMS} at most")
        return self

    @model_validator(mode="after")
    def _check_prior(self) -> ListParameter:
        if self.prior is not None:
            try:
                self.read(self.prior, "prior")
            except ValueError:
                raise ValueError(f"prior = {list(self.prior)!r} is never sampled; write {self.takes}") from None
        return self

    def believed(self, name: str) -> dict[str, Value]:
        if self.prior is not None:
            return self.read(self.prior, name)
        return {key: one for at in range(self.lengths[1]) for key, one in self.item.believed(f"{name}.{at}").items()}

    @property
    def lengths(self) -> tuple[int, int]:
        """The least and the greatest number of items."""
        return self.length if isinstance(self.length, tuple) else (self.length, self.length)

    def examples(self) -> list[Any]:
        return [[example] for example in self.item.examples()]

    def extremes(self) -> list[Any]:
        return [[example] * length for example in self.item.examples() for length in self.lengths]

    @property
    def takes(self) -> str:
        low, high = self.lengths
        return f"lists of {low if low == high else f'{low} to {high}'} items, each of {self.item.takes}"

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
