"""The sections of a study file: classes, samplers and pruners, the Trainer, constraints."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import to_jsonable_python

from lightsearch.declare.measures import SPREAD
from lightsearch.declare.values import MOST_INT

IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
"""``module.Name``, dotted."""


def _kept(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuses an argument that cannot be kept with the study, as it can be given from Python."""
    for name, value in arguments.items():
        try:
            to_jsonable_python(value)
        except ValueError:  # PydanticSerializationError is one
            raise ValueError(
                f"{name} is a {type(value).__name__}, which cannot be kept with the study; give a number, a string, "
                "a list or a table, and have the class make of it what it needs"
            ) from None
    return arguments


Arguments = Annotated[dict[str, Any], AfterValidator(_kept)]


class StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ClassSpec(StrictModel):
    """A class by its import path, and its constructor arguments (as in LightningCLI)."""

    class_path: str = Field(pattern=IMPORT_PATH)
    """``package.module.Class``."""
    init_args: Arguments = {}
    """Constructor arguments that are the same in every trial."""
    given: bytes | None = Field(default=None, exclude=True, repr=False)
    """The class itself, pickled by a search from Python, where it cannot be imported; no file can hold it."""


class OptunaSpec(StrictModel):
    """An Optuna sampler or pruner by its own class name."""

    name: str
    """``TPESampler``, ``MedianPruner``, ..."""
    init_args: Arguments = {}
    """Its constructor arguments; a table with a ``name`` of its own is built first (a wrapped pruner, say)."""


class TrainerSpec(StrictModel):
    """The Lightning Trainer's keyword arguments, and how long and how a trial trains."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    max_epochs: int = Field(default=30, ge=1, le=MOST_INT)
    """Epochs a trial trains at most."""
    patience: int = Field(default=3, ge=0, le=MOST_INT)
    """Epochs without a better metric after which a trial stops early; 0: never."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change of the metric that counts as better."""
    save_top_k: int = Field(default=1, ge=1, le=MOST_INT)
    """Best epochs of a trial whose checkpoints are kept."""
    devices: int = Field(default=1, ge=1, le=1024)
    """Devices that a trial trains on, a process each; ``batch_size`` is that of each of them."""

    @model_validator(mode="after")
    def _keywords_are_kept(self) -> TrainerSpec:
        _kept(self.model_extra or {})
        return self

    @property
    def keywords(self) -> dict[str, Any]:
        """What the Trainer itself takes: ``max_epochs``, ``devices`` and every further key of the section."""
        return {"max_epochs": self.max_epochs, "devices": self.devices, **(self.model_extra or {})}


class Constraints(StrictModel):
    """What a trial may cost at most; one that costs more is not trained, and the sampler learns from it."""

    parameters: int | None = Field(default=None, ge=1, le=MOST_INT)
    """Trainable parameters."""
    latency_ms: float | None = Field(default=None, gt=0)
    """Milliseconds of a forward pass of one sample on the CPU, on one thread; see ``measures``."""

    def exceeded(self, found: dict[str, float]) -> dict[str, float]:
        """By how much each constrained measure lies above its limit: what is above 0 is a violation to Optuna.

        What lies above it by no more than its spread is equal to it, and what lies further above counts from there.

        Args:
            found: What ``measures.measure`` found.
        """
        limits = [(name, limit) for name, limit in self if limit is not None]
        return {name: _excess(found[name] - limit, found.get(name + SPREAD, 0.0)) for name, limit in limits}


def _excess(above: float, spread: float) -> float:
    return above - spread if above > spread else min(above, 0.0)
