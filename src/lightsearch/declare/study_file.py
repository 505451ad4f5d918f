"""The study file: what a study is, declared in TOML, validated as a whole and frozen."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from lightsearch.declare.measures import MEASURES
from lightsearch.declare.sections import (
    IMPORT_PATH,
    ClassSpec,
    Constraints,
    OptunaSpec,
    StrictModel,
    TrainerSpec,
)
from lightsearch.declare.space import Space
from lightsearch.declare.values import MOST_INT, PlainValue, list_as_tuple

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
"""The allow-list of study names: they become folder names, titles and URLs."""

NAME_LENGTH = 64

FUNCTION_METRIC = "value"
"""What the value of a function is called if the study file has no name for it."""

ABSENT: Any = None
"""What a study of a function has in the places of its classes: nothing that needs them is done with it."""


def _one_or_more(given: object) -> object:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list):
        return tuple(given)
    raise ValueError("should be a valid string")


OneOrMore = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_more),
    PlainSerializer(lambda given: given[0] if len(given) == 1 else list(given)),
]
"""Written as a string, or as a list of them where there are several objectives."""


class StudyFile(StrictModel):
    """A declared study."""

    name: str
    """The study's name in the storage, and of its folder."""
    seed: int = Field(default=42, ge=0, lt=2**32)
    """From it come the split, every trial's seed and the sampler's state."""
    metrics: OneOrMore = Field(default=("val_acc",), alias="metric")
    """The study's objectives: one logged metric, or several. The first is logged; of the others ``parameters`` and
    ``latency_ms`` are measured by lightsearch (see ``measures``), and the rest is logged as well."""
    directions: OneOrMore = Field(default=("maximize",), alias="direction")
    """Whether more of it is better or less, ``maximize`` or ``minimize``; for each objective."""
    keep_top_k: int = Field(default=5, ge=1, le=MOST_INT)
    """Trials whose checkpoints are kept; those of trials that fell out of the leaders are deleted."""
    data: ClassSpec = ABSENT
    """The data: training and validation loaders."""
    model: ClassSpec = ABSENT
    """The LightningModule."""
    objective: str | None = Field(default=None, pattern=IMPORT_PATH)
    """In place of data and model a function of a trial, ``module.function``: it samples, and returns the value."""
    given: bytes | None = Field(default=None, exclude=True, repr=False)
    """The objective itself, as a class is given."""
    space: Space = Space()
    """What is sampled."""
    baseline: bool = False
    """Whether the first trial is what the classes' own defaults make."""
    enqueue: Annotated[tuple[dict[str, PlainValue], ...], list_as_tuple] = ()
    """Known configurations to run first: parameter names with their values."""
    trainer: TrainerSpec = TrainerSpec()
    """How a trial trains."""
    constraints: Constraints = Constraints()
    """What a trial may cost at most."""
    logger: ClassSpec | None = None
    """A Lightning logger; every trial gets a run of it."""
    sampler: OptunaSpec = OptunaSpec(name="TPESampler")
    """Who proposes parameters."""
    pruner: OptunaSpec = OptunaSpec(name="MedianPruner", init_args={"n_startup_trials": 5, "n_warmup_steps": 1})
    """Who stops unpromising trials."""

    @model_validator(mode="before")
    @classmethod
    def _named_value(cls, declared: Any) -> Any:
        return {"metric": default_metric(declared), **declared} if isinstance(declared, dict) else declared

    @field_validator("name")
    @classmethod
    def _safe_name(cls, name: str) -> str:
        return checked_name(name)

    @field_validator("metrics")
    @classmethod
    def _objectives(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        if not metrics or not all(name.strip() and name.isprintable() for name in metrics):
            raise ValueError("names no metric; write one that the module logs in validation")
        if twice := [name for name in metrics if metrics.count(name) > 1]:
            raise ValueError(f"names {twice[0]} twice; name each objective once")
        if len(metrics) > 1 and metrics[0] in MEASURES:
            raise ValueError(
                f"begins with {metrics[0]}, which is measured once, before training; begin with a metric that the "
                "module logs, which early stopping and the best epoch can watch"
            )
        return metrics

    @field_validator("directions")
    @classmethod
    def _two_words(cls, directions: tuple[str, ...]) -> tuple[str, ...]:
        if any(direction not in ("maximize", "minimize") for direction in directions):
            raise ValueError("should be 'maximize' or 'minimize'")
        return directions

    @property
    def metric(self) -> str:
        """The logged metric that early stopping, the best epoch and its checkpoint watch, and the pruner compares."""
        return self.metrics[0]

    @property
    def direction(self) -> str:
        """That metric's direction."""
        return self.directions[0]

    @property
    def mode(self) -> Literal["max", "min"]:
        """That direction in Lightning's words."""
        return "max" if self.direction == "maximize" else "min"

    @property
    def multi_objective(self) -> bool:
        """Whether the study has several objectives, so that there is a front in the place of a best trial."""
        return len(self.metrics) > 1

    @property
    def measured(self) -> list[str]:
        """What is measured of every trial before it trains, as a further objective or for a constraint."""
        limits = self.constraints.model_dump(exclude_none=True)
        return [name for name in MEASURES if name in self.metrics[1:] or name in limits]

    @property
    def logged(self) -> list[str]:
        """The objectives that the module logs."""
        return [self.metric, *(name for name in self.metrics[1:] if name not in MEASURES)]

    def devices(self, params: dict[str, Any]) -> int:
        """Devices that a trial takes.

        Args:
            params: Its sampled parameters.
        """
        return int(self.space.split(params)["trainer"].get("devices", self.trainer.devices))

    def fingerprint(self) -> dict[str, Any]:
        """What shapes a trial's result, as plain JSON: two studies that differ here are different studies.

        The sampler, the pruner, the budget and what is kept on disk may change within a study; so may the place
        where a trial runs (``accelerator``). How many devices it takes may not: they share each step's samples.
        """
        if self.objective is not None:
            return self.model_dump(mode="json", by_alias=True, include={"seed", "metrics", "directions", "objective"})
        shape = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,  # an absent step
            include={"seed", "metrics", "directions", "data", "model", "space", "trainer"},
        )
        for key in ("save_top_k", "accelerator"):
            shape["trainer"].pop(key, None)
        if self.trainer.devices == 1:
            del shape["trainer"]["devices"]  # as ever
        if limits := self.constraints.model_dump(mode="json", exclude_none=True):
            shape["constraints"] = limits
        return shape


def default_metric(declared: dict[str, Any]) -> str:
    """The metric of a study file that names none."""
    (metric,) = StudyFile.model_fields["metrics"].default
    return FUNCTION_METRIC if declared.get("objective") is not None else str(metric)


def checked_name(name: str) -> str:
    """The one place where a study's name from outside is checked.

    Raises:
        ValueError: if it is not on the allow-list.
    """
    if len(name) > NAME_LENGTH or not NAME.fullmatch(name):
        raise ValueError(f"use at most {NAME_LENGTH} letters, digits, '-', '_' and single dots, as in mnist-wide")
    if name.lower().endswith(".toml"):
        raise ValueError("commands take what ends in .toml for a file; use another name")
    return name
