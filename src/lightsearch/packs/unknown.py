"""Values that a vectorised step cannot compute with: they differ between members, or are known after the step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from lightsearch.packs.not_packable import NotPackable

OPERATORS = (
    *("bool", "float", "int", "index", "eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "round", "getitem", "iter"),
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "mod", "floordiv", "len"),
)
"""Operators that need the value."""


class Unknown(ABC):
    """A value that a step may log, or give to a metric, but not compute with.

    Args:
        name: What it is, for the message.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def of(self, member: int, returned: Sequence[Any]) -> Any:
        """The value of one member.

        Args:
            member: The member's place in the pack.
            returned: What the calls of its metrics returned in the step.
        """

    def refuse(self, *_: Any) -> NoReturn:
        """Raises NotPackable."""
        raise NotPackable(f"its training_step computes with {self.name}")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or name == "name":  # Python and torch ask every object for some
            raise AttributeError(name)
        self.refuse()


for _operator in OPERATORS:
    setattr(Unknown, f"__{_operator}__", Unknown.refuse)


class Returned(Unknown):
    """What a call of a metric returns.

    Args:
        call: The number of the call in its step.
        key: The key of the value in the dictionary that the call returns; None: the whole of it.
    """

    def __init__(self, call: int, key: str | None = None) -> None:
        super().__init__("the value of a metric")
        self.call, self.key = call, key

    def of(self, member: int, returned: Sequence[Any]) -> Any:  # noqa: ARG002
        value = returned[self.call]
        if self.key is None:
            return value
        if not isinstance(value, Mapping) or self.key not in value:
            raise NotPackable(f"a collection of metrics does not return {self.key}")
        return value[self.key]


class OfEach(Unknown):
    """A value that each member has.

    Args:
        name: What it is.
        values: One per member.
    """

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        super().__init__(f"{name}, in which the trials differ")
        self._values = values

    def of(self, member: int, returned: Sequence[Any]) -> Any:  # noqa: ARG002
        return self._values[member]
