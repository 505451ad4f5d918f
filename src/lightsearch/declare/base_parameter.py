"""What all parameters of the search space have in common."""

from __future__ import annotations

from typing import Any

from optuna.trial import BaseTrial
from pydantic import BaseModel, ConfigDict

from lightsearch.declare.values import Value, ValueOrList


class BaseParameter(BaseModel):
    """An argument of the space: how it is sampled, and which values it takes.

    A parameter of the space is one parameter of the Optuna study, or several (a list), or none (a fixed value).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    when: dict[str, ValueOrList] | None = None
    """Sampled only where other parameters have these values: ``when = { optimizer = "sgd" }``, or one of a list."""

    def applies(self, params: dict[str, Any]) -> bool:
        """Whether it is sampled, given the values of the parameters before it."""
        for name, value in (self.when or {}).items():
            values = value if isinstance(value, tuple) else (value,)
            if name not in params or params[name] not in values:
                return False
        return True

    def suggest(self, trial: BaseTrial, name: str) -> dict[str, Value]:
        """Samples it. Returns the values by their names in the study."""
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
        """The condition of ``contains`` in words: ``whole numbers from 16 to 512``."""
        raise NotImplementedError

    def believed(self, name: str) -> dict[str, Value]:  # noqa: ARG002
        """The values that the user believes to be good, by their names in the study; empty if there is no belief."""
        return {}

    def counted(self) -> int | None:
        """How many values there are. None if they cannot be counted."""
        return None

    def examples(self) -> list[Any]:
        """The outermost arguments that it makes, to check whether a constructor takes them."""
        raise NotImplementedError

    def extremes(self) -> list[Any]:
        """The outermost arguments that it makes, each one that it can sample."""
        return self.examples()

    def grid(self) -> list[Value] | None:
        """All values. None if they cannot be counted."""
        return None
