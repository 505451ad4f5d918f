"""The sections of a study file: classes, samplers and pruners, the Trainer, constraints."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import to_jsonable_python

from lightsearch.declare.measures import SPREAD
from lightsearch.declare.values import MOST_INT

IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
"""``module.Name``, dotted."""

HUB = "hub:"
"""The beginning of the name of a package of OptunaHub."""

OPTUNA_PATH = re.compile(r"optuna\.(samplers|pruners)\.([A-Za-z_]\w*\.)*")
"""The modules of Optuna's own samplers and pruners, in front of the name of a class."""


def _kept(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuses arguments that cannot be stored with the study. Only a declaration from Python can have such ones."""
    for name, value in arguments.items():
        try:
            to_jsonable_python(value)
        except ValueError:  # PydanticSerializationError is one
            raise ValueError(
                f"{name} is a {type(value).__name__}, which cannot be kept with the study; give a number, a string, "
                "a list or a table, and have the class build the object from it"
            ) from None
    return arguments


Arguments = Annotated[dict[str, Any], AfterValidator(_kept)]
"""Constructor arguments, of values that can be stored as JSON."""


class StrictModel(BaseModel):
    """A frozen section that refuses unknown keys and converts no types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ClassSpec(StrictModel):
    """A class by its import path, and its constructor arguments (as in LightningCLI)."""

    class_path: str = Field(pattern=IMPORT_PATH)
    """``package.module.Class``."""
    init_args: Arguments = {}
    """Constructor arguments, the same in every trial. A table with a ``class_path`` is built; see ``nested``."""
    given: bytes | None = Field(default=None, exclude=True, repr=False)
    """The class itself, pickled by a search from Python, if it cannot be imported. No file can contain it."""


class CallbackSpec(ClassSpec):
    """A Lightning callback. Its arguments are sampled under its label: ``[space.callbacks]``, ``"LABEL.argument"``.

    A search from Python may give the callback itself: then ``given`` is the pickled object, not a class.
    """

    name: str | None = Field(default=None, pattern=r"^[A-Za-z_]\w*$")
    """Its label if several callbacks are of one class; None: the name of the class."""
    attributes: dict[str, Any] | None = None
    """The plain attributes of an object from Python, so that a changed one is noticed. No file can contain it."""

    @property
    def label(self) -> str:
        """The name under which its arguments are in the space: ``EarlyStopping`` in ``"EarlyStopping.patience"``."""
        return self.name or self.class_path.rpartition(".")[2]


class OptunaSpec(StrictModel):
    """A sampler or a pruner, and its constructor arguments. A string is the name alone."""

    name: str
    """One of Optuna's own by its class name (``TPESampler``), any other class by its path (``package.module.Class``),
    or a package of OptunaHub (``hub:samplers/auto_sampler``)."""
    init_args: Arguments = {}
    """Its constructor arguments. A table with a ``name`` is built first, as a wrapped pruner."""
    given: bytes | None = Field(default=None, exclude=True, repr=False)
    """The class itself, pickled by a search from Python, if it cannot be imported. No file can contain it."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, declared: Any) -> Any:
        return _as_named(declared)

    @field_validator("name")
    @classmethod
    def _without_optunas_modules(cls, name: str) -> str:
        return OPTUNA_PATH.sub("", name, count=1) if OPTUNA_PATH.match(name) else name

    @property
    def label(self) -> str:
        """The name of the class, as far as it is known before the class is found."""
        return self.name if self.name.startswith(HUB) else self.name.rpartition(".")[2]

    @property
    def of_optuna(self) -> bool:
        """Whether it is one of Optuna's own, and so are those within its arguments."""
        return not names_other_class(self.name) and not _holds_other(self.init_args)


def _as_named(declared: Any) -> Any:
    return {"name": declared} if isinstance(declared, str) else declared


def names_other_class(name: object) -> bool:
    """Whether the name of a sampler or a pruner is that of none of Optuna's own: a path, or a package of OptunaHub."""
    return isinstance(name, str) and (name.startswith(HUB) or ("." in name and OPTUNA_PATH.match(name) is None))


def _holds_other(value: Any) -> bool:
    """Whether an argument holds, at any depth, a table that names a class which is not Optuna's."""
    if isinstance(value, dict):
        is_named = value.keys() <= {"name", "init_args"} and names_other_class(value.get("name"))
        return is_named or any(map(_holds_other, value.values()))
    return isinstance(value, list) and any(map(_holds_other, value))


class SchedulerSpec(StrictModel):
    """What decides which trial trains its next epochs; see ``lightsearch.study.schedulers``.

    A string is the name alone.
    """

    name: Literal["freeze_thaw", "asha", "hyperband", "pbt", "none"]
    """``none``: every trial trains until it ends."""
    min_epochs: int = Field(default=1, ge=1, le=MOST_INT)
    """Of asha and hyperband: the epochs of the first rung."""
    reduction_factor: int = Field(default=3, ge=2, le=1000)
    """Of asha and hyperband: the ratio of neighbouring rungs; one trial in so many is promoted."""
    population: int = Field(default=8, ge=2, le=10_000)
    """Of pbt: the number of trials that train side by side."""
    interval: int = Field(default=2, ge=1, le=MOST_INT)
    """Of pbt: the epochs between two comparisons of the population."""
    quantile: float = Field(default=0.25, gt=0, le=0.5)
    """Of pbt: the share of the population that is replaced by copies, and the share that is copied."""
    mutate: list[str] | None = Field(default=None, min_length=1)
    """Of pbt: the parameters that a copy changes; None: the real numbers of ``[space.model]``."""
    resample: float = Field(default=0.25, ge=0, le=1)
    """Of pbt: the probability that a parameter gets a new value, not one near the copied one."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, declared: Any) -> Any:
        return _as_named(declared)


class TrainerSpec(StrictModel):
    """Keyword arguments of the Lightning Trainer, and how a trial is stopped and its checkpoints are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    max_epochs: int = Field(default=30, ge=1, le=MOST_INT)
    """Epochs of a trial at most."""
    patience: int = Field(default=3, ge=0, le=MOST_INT)
    """Validated epochs without a better metric after which a trial stops early. 0: never."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least improvement of the metric that counts."""
    save_top_k: int = Field(default=1, ge=1, le=MOST_INT)
    """Number of best epochs of a trial whose checkpoints are kept."""
    devices: int = Field(default=1, ge=1, le=1024)
    """Devices that a trial trains on, one process each. ``batch_size`` is per device."""

    @model_validator(mode="after")
    def _keywords_are_kept(self) -> TrainerSpec:
        _kept(self.model_extra or {})
        return self

    @property
    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of the Trainer: ``max_epochs``, ``devices`` and every further key of the section."""
        return {"max_epochs": self.max_epochs, "devices": self.devices, **(self.model_extra or {})}


class Constraints(StrictModel):
    """Upper limits of a trial's measures. A trial over a limit is not trained, and the sampler learns from it."""

    parameters: int | None = Field(default=None, ge=1, le=MOST_INT)
    """Trainable parameters."""
    latency_ms: float | None = Field(default=None, gt=0)
    """Milliseconds of a forward pass of one sample on one CPU thread; see ``measures``."""

    def exceeded(self, found: dict[str, float]) -> dict[str, float]:
        """The amount by which each constrained measure exceeds its limit. Optuna takes amounts above 0 as violations.

        A measure that exceeds its limit by its spread or less is equal to it. The spread is subtracted from a larger
        excess.

        Args:
            found: Measures by name, with their spreads, from ``measures.measure``.
        """
        limits = [(name, limit) for name, limit in self if limit is not None]
        return {name: _excess(found[name] - limit, found.get(name + SPREAD, 0.0)) for name, limit in limits}


def _excess(above: float, spread: float) -> float:
    return above - spread if above > spread else min(above, 0.0)


class ValidationSpec(StrictModel):
    """Further trainings of each configuration that is worth it: their mean is a trial's value. One of the two keys."""

    seeds: int | None = Field(default=None, ge=2, le=1000)
    """Trainings of a configuration, each with a training seed of its own. The split stays."""
    folds: int | None = Field(default=None, ge=2, le=1000)
    """Folds of a cross-validation of the training and validation data, each with a training seed of its own. The data
    has constructor arguments ``fold``, from 0, and ``folds``."""

    @model_validator(mode="after")
    def _one_of_them(self) -> ValidationSpec:
        if (self.seeds is None) is (self.folds is None):
            raise ValueError("write seeds = 3 or folds = 5, one of the two")
        return self

    @property
    def runs(self) -> int:
        """Trainings of a complete trial."""
        return self.seeds or self.folds or 1

    @property
    def noun(self) -> str:
        """What each training is another one of: ``seed`` or ``fold``."""
        return "seed" if self.folds is None else "fold"


class StopRules(StrictModel):
    """When a study stops by itself before it has its total of trials. No rule is on by default."""

    patience: int | None = Field(default=None, ge=1, le=MOST_INT)
    """Finished trials without an improvement of the best value by more than ``min_delta``."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least improvement that counts, in the unit of the metric."""
    value: float | None = None
    """A value of the metric that is good enough: the study stops when its best value reaches it."""
    min_gain: float | None = Field(default=None, gt=0)
    """In the unit of the metric: the study stops when the next ``horizon`` trials most likely gain less."""
    horizon: int = Field(default=20, ge=10, le=1000)
    """The number of trials that ``min_gain`` looks back and ahead."""

    @model_validator(mode="after")
    def _rules_are_used(self) -> StopRules:
        if self.min_delta > 0 and self.patience is None:
            raise ValueError("min_delta belongs to patience; write patience = 20 as well")
        if self.min_gain is None and self.horizon != StopRules.model_fields["horizon"].default:
            raise ValueError("horizon belongs to min_gain; write min_gain = 0.001 as well")
        return self
