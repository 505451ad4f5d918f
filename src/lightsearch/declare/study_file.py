"""The study file: a study, declared in TOML, validated as a whole and frozen."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from lightsearch.declare.init_from import InitFromSpec
from lightsearch.declare.lightning_cli import ConfigSpec
from lightsearch.declare.measures import MEASURES
from lightsearch.declare.sections import (
    IMPORT_PATH,
    CallbackSpec,
    ClassSpec,
    Constraints,
    OptunaSpec,
    SchedulerSpec,
    StopRules,
    StrictModel,
    TrainerSpec,
    ValidationSpec,
)
from lightsearch.declare.space import Space
from lightsearch.declare.values import MOST_INT, OneOrMore, PlainValue, list_as_tuple

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
"""The allow-list of study names: they become folder names, titles and URLs."""

NAME_LENGTH = 64
"""Characters of a study's name at most."""

FUNCTION_METRIC = "value"
"""Name of a function's value if the study file names no metric."""

ABSENT: Any = None
"""The classes of a study of a function, which code that needs classes does not run for; the data of a model that has
loaders of its own."""


class StudyFile(StrictModel):
    """A declared study."""

    name: str
    """Name of the study in the storage, and of its folder."""
    seed: int = Field(default=42, ge=0, lt=2**32)
    """Determines the split, every trial's seed and the sampler's state."""
    metrics: OneOrMore = Field(default=("val_acc",), alias="metric")
    """The objectives: one metric that the module logs, or several. ``parameters`` and ``latency_ms`` are measured by
    lightsearch (see ``measures``) and cannot be the first."""
    directions: OneOrMore = Field(default=("maximize",), alias="direction")
    """``maximize`` or ``minimize``, for each objective."""
    keep_top_k: int = Field(default=5, ge=1, le=MOST_INT)
    """Number of best trials whose checkpoints are kept. Those of all other trials are deleted."""
    data: ClassSpec = ABSENT
    """The LightningDataModule; absent if the model has a ``train_dataloader`` and a ``val_dataloader`` of its own."""
    model: ClassSpec = ABSENT
    """The LightningModule."""
    config: ConfigSpec | None = None
    """Instead of data and model: a LightningCLI configuration."""
    init_from: InitFromSpec = None
    """A checkpoint whose weights every trial starts from."""
    objective: str | None = Field(default=None, pattern=IMPORT_PATH)
    """Instead of data and model: a function of a trial, ``module.function``, that samples and returns the value."""
    given: bytes | None = Field(default=None, exclude=True, repr=False)
    """The function itself, pickled by a search from Python, if it cannot be imported. No file can contain it."""
    space: Space = Space()
    """The search space."""
    baseline: bool = False
    """Whether the first trial has the classes' own defaults."""
    enqueue: Annotated[tuple[dict[str, PlainValue], ...], list_as_tuple] = ()
    """Configurations to run first: names of parameters with their values."""
    learn_from: Annotated[tuple[str, ...], list_as_tuple] = ()
    """Names of earlier studies in the same storage: the search begins with their best configurations."""
    trainer: TrainerSpec = TrainerSpec()
    """How a trial trains."""
    validation: ValidationSpec | None = None
    """How often each configuration that is worth it is trained; None: once."""
    callbacks: Annotated[tuple[CallbackSpec, ...], list_as_tuple] = ()
    """Lightning callbacks of every trial, beside lightsearch's own."""
    constraints: Constraints = Constraints()
    """Limits of a trial's measures."""
    logger: ClassSpec | None = None
    """A Lightning logger. Every trial is one run of it."""
    sampler: OptunaSpec = OptunaSpec(name="TPESampler")
    """The Optuna sampler, which proposes parameters."""
    pruner: OptunaSpec = OptunaSpec(name="MedianPruner", init_args={"n_startup_trials": 5, "n_warmup_steps": 1})
    """The pruner, which stops unpromising trials: one of Optuna's. With several objectives it is lightsearch's own
    ``DominatedPruner``, by default with the same arguments and ``margin = 0.2``, or ``NopPruner``."""
    scheduler: SchedulerSpec | None = None
    """What decides which trial trains its next epochs; None: see ``scheduling.scheduler_of``."""
    stop: StopRules = StopRules()
    """When the study stops by itself."""

    @model_validator(mode="before")
    @classmethod
    def _dependent_defaults(cls, declared: Any) -> Any:
        if not isinstance(declared, dict):
            return declared
        pruner = {"pruner": default_pruner(declared)} if n_objectives(declared) > 1 else {}
        return {"metric": default_metric(declared), **pruner, **declared}

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
        """The first objective, which early stopping, the best epoch and its checkpoint watch."""
        return self.metrics[0]

    @property
    def direction(self) -> str:
        """The direction of ``metric``."""
        return self.directions[0]

    @property
    def mode(self) -> Literal["max", "min"]:
        """``direction`` as Lightning names it."""
        return "max" if self.direction == "maximize" else "min"

    @property
    def multi_objective(self) -> bool:
        """Whether the study has several objectives, so that it has a Pareto front instead of a best trial."""
        return len(self.metrics) > 1

    @property
    def measured(self) -> list[str]:
        """Names of the measures taken of every trial before it trains, as an objective or for a constraint."""
        limits = self.constraints.model_dump(exclude_none=True)
        return [name for name in MEASURES if name in self.metrics[1:] or name in limits]

    @property
    def logged(self) -> list[str]:
        """The objectives that the module logs."""
        return [self.metric, *(name for name in self.metrics[1:] if name not in MEASURES)]

    @property
    def folds(self) -> int | None:
        """The number of folds of the training and validation data; None: there is one split."""
        return self.validation.folds if self.validation is not None else None

    @property
    def model_key(self) -> tuple[str, str]:
        """The key of the study file, and its value, that names the model's class."""
        return self.config.key if self.config is not None else ("model.class_path", self.model.class_path)

    @property
    def loaders_key(self) -> tuple[str, str]:
        """The key of the study file, and its value, that names the class with the training and validation loaders."""
        return ("data.class_path", self.data.class_path) if self.data is not None else self.model_key

    def devices(self, params: dict[str, Any]) -> int:
        """Number of devices that a trial uses.

        Args:
            params: Sampled parameters of the trial.
        """
        return int(self.space.split(params)["trainer"].get("devices", self.trainer.devices))

    def fingerprint(self) -> dict[str, Any]:
        """The part of the declaration that shapes a trial's result, as plain JSON. It may not change within a study.

        The sampler, the pruner, what is believed to be good, the budget, the kept files and the accelerator may change.
        The number of devices may not, since they share the samples of each step.
        """
        if self.objective is not None:
            return self.model_dump(mode="json", by_alias=True, include={"seed", "metrics", "directions", "objective"})
        shape = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,  # a parameter without a step
            include={"seed", "metrics", "directions", "data", "model", "space", "trainer"},
        )
        shape["space"] = self.space.shape()
        for key in ("save_top_k", "accelerator"):
            shape["trainer"].pop(key, None)
        if self.trainer.devices == 1:
            del shape["trainer"]["devices"]  # fingerprints of older studies do not have it
        if not self.space.callbacks:
            shape["space"].pop("callbacks", None)
        if self.config is None:
            shape["space"].pop("config", None)
        else:  # wherever the files are
            shape["config"] = self.config.model_dump(mode="json", exclude={"file"}) | {"file": []}
        if self.callbacks:
            shape["callbacks"] = self.model_dump(mode="json", exclude_none=True, include={"callbacks"})["callbacks"]
        if self.init_from is not None:  # wherever the file is
            shape["init_from"] = self.init_from.model_dump(mode="json", include={"strict", "sha256"})
        if limits := self.constraints.model_dump(mode="json", exclude_none=True):
            shape["constraints"] = limits
        if self.validation is not None:
            shape["validation"] = self.validation.model_dump(mode="json", exclude_none=True)
        return shape


def default_metric(declared: dict[str, Any]) -> str:
    """The metric of a declaration that names none."""
    (metric,) = StudyFile.model_fields["metrics"].default
    return FUNCTION_METRIC if declared.get("objective") is not None else str(metric)


def default_pruner(declared: dict[str, Any]) -> OptunaSpec:
    """The pruner of a declaration that names none."""
    pruner: OptunaSpec = StudyFile.model_fields["pruner"].default
    if n_objectives(declared) == 1:
        return pruner
    return OptunaSpec(name="DominatedPruner", init_args={"margin": 0.2, **pruner.init_args})


def n_objectives(declared: dict[str, Any]) -> int:
    """The number of objectives that a declaration names; 1 if their form is wrong."""
    metric = declared.get("metric")
    return len(metric) if isinstance(metric, list | tuple) and metric else 1


def checked_name(name: str) -> str:
    """Checks a study's name against the allow-list. Every name from outside passes here.

    Raises:
        ValueError: if it is not allowed.
    """
    if len(name) > NAME_LENGTH or not NAME.fullmatch(name):
        raise ValueError(
            f"use at most {NAME_LENGTH} letters (a to z), digits, '-', '_' and single dots, as in mnist-wide"
        )
    if name.lower().endswith(".toml"):
        raise ValueError("commands read a name that ends in .toml as a file; use another name")
    return name
