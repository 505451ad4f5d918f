"""The study file: what a study is, declared in TOML, validated as a whole and frozen."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import to_jsonable_python

from lightsearch import enqueued
from lightsearch.errors import Mistake, UserError, did_you_mean
from lightsearch.measures import MEASURES, SPREAD
from lightsearch.space import KINDS, PlainValue, Space, list_as_tuple

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
"""The allow-list of study names: they become folder names, titles and URLs."""
NAME_LENGTH = 64
ABSENT: Any = None
"""What a study of a function has in the places of its classes: nothing that needs them is done with it."""
FUNCTION_METRIC = "value"
"""What the value of a function is called if the study file has no name for it."""
OF_MODELS = ("data", "model", "space", "baseline", "trainer", "constraints", "logger", "keep_top_k")
"""Keys that mean nothing where a study is of a function."""
MOST_BYTES = 1_000_000
"""A study file is text that somebody writes; what is larger is something else."""
DEEPEST = 32
"""How deep tables and lists may lie within one another."""
TOO_DEEP = f"tables or lists lie more than {DEEPEST} deep within one another; write it flatter"
MOST = 2**53
"""No number of the file is above this: storages and reports keep them as double precision numbers."""
IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"


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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ClassSpec(_Section):
    """A class by its import path, and its constructor arguments (as in LightningCLI)."""

    class_path: str = Field(pattern=IMPORT_PATH)
    """``package.module.Class``."""
    init_args: Arguments = {}
    """Constructor arguments that are the same in every trial."""
    given: bytes | None = Field(default=None, exclude=True, repr=False)
    """The class itself, pickled by a search from Python, where it cannot be imported; no file can hold it."""


class OptunaSpec(_Section):
    """An Optuna sampler or pruner by its own class name."""

    name: str
    """``TPESampler``, ``MedianPruner``, ..."""
    init_args: Arguments = {}
    """Its constructor arguments; a table with a ``name`` of its own is built first (a wrapped pruner, say)."""


class TrainerSpec(_Section):
    """The Lightning Trainer's keyword arguments, and how long and how a trial trains."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    max_epochs: int = Field(default=30, ge=1, le=MOST)
    """Epochs a trial trains at most."""
    patience: int = Field(default=3, ge=0, le=MOST)
    """Epochs without a better metric after which a trial stops early; 0: never."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change of the metric that counts as better."""
    save_top_k: int = Field(default=1, ge=1, le=MOST)
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


class Constraints(_Section):
    """What a trial may cost at most; one that costs more is not trained, and the sampler learns from it."""

    parameters: int | None = Field(default=None, ge=1, le=MOST)
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


class StudyFile(_Section):
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
    keep_top_k: int = Field(default=5, ge=1, le=MOST)
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
    def several(self) -> bool:
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


def _excess(above: float, spread: float) -> float:
    return above - spread if above > spread else min(above, 0.0)


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


def read_declaration(path: Path, overrides: list[str]) -> dict[str, Any]:
    """The study file as it is written, with ``key=value`` overrides laid over it.

    Args:
        path: The TOML file, in UTF-8 (with or without a byte order mark).
        overrides: ``key=value``, keys dotted as in TOML, values as in TOML; a bare word is a string.

    Raises:
        UserError: if the file cannot be read or is no TOML, or an override has no ``=``.
    """
    declared = _parsed(path, _text(path))
    mistakes = []
    for override in overrides:
        key, equals, text = override.partition("=")
        try:
            if not equals:
                raise ValueError
            _override(declared, key.strip(), text.strip())
        except (ValueError, RecursionError):
            mistakes.append(Mistake("--set", override, "write key=value, as in trainer.max_epochs=10"))
    mistakes += check_declaration(declared)
    if mistakes:
        raise UserError(*mistakes)
    return declared


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UserError(Mistake("--study", str(path), "is no file; name a study file (studies/NAME.toml)"))
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            mend = f"is larger than {MOST_BYTES:,} bytes, and so no study file; name one"
            raise UserError(Mistake("--study", str(path), mend))
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        there = ", ".join(sorted(str(file) for file in path.parent.glob("*.toml"))) or "none in that folder"
        raise UserError(Mistake("--study", str(path), f"no such file; study files there: {there}")) from None
    except (OSError, ValueError) as error:  # what is no UTF-8 is a ValueError, and a path with a NUL
        raise UserError(Mistake("--study", str(path), f"cannot be read: {error}")) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UserError(Mistake("--study", str(path), TOO_DEEP)) from None
    except ValueError as error:  # TOMLDecodeError is one, and a number of thousands of digits
        raise UserError(Mistake("--study", str(path), f"is no valid TOML: {error}")) from None


def check_declaration(declared: Mapping[str, Any]) -> list[Mistake]:
    """What no declaration from outside may hold: bottomless tables, keys that are no names, pickles."""
    name, keys = str(declared.get("name")), []
    level: list[Any] = [declared]
    for _ in range(DEEPEST + 1):  # level by level, since recursion would end at the same depth as the reader's
        keys += [key for outer in level if isinstance(outer, Mapping) for key in outer if not isinstance(key, str)]
        inner = (part for outer in level for part in (outer.values() if isinstance(outer, Mapping) else outer))
        level = [part for part in inner if isinstance(part, dict | list)]
    mistakes = [Mistake("the study", name, TOO_DEEP)] if level else []
    mistakes += [Mistake("the study", key, "is a key that is no name; write a string") for key in keys]
    sections: dict[str, Any] = {"": declared, **{key: declared.get(key) for key in ("data", "model", "logger")}}
    for place, section in sections.items():
        if isinstance(section, Mapping) and "given" in section:  # only what is made of a class here holds a pickle
            mistakes.append(Mistake(f"{place}.given".lstrip("."), section["given"], "unknown key; take it out"))
    return mistakes


def classes_beside(path: Path) -> None:
    """Lets a study file name classes of Python files that lie next to it; whatever else is importable comes before."""
    folder = str(path.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)


def modules_of(declared: dict[str, Any]) -> list[str]:
    """The modules whose classes, or function, a study file names, as far as it is in order."""
    sections = [declared.get(section) for section in ("data", "model", "logger")]
    paths = [
        section.get("class_path") for section in sections if isinstance(section, dict) and not section.get("given")
    ]
    if not declared.get("given"):
        paths.append(declared.get("objective"))
    return [path.rpartition(".")[0] for path in paths if isinstance(path, str) and "." in path]


def validate(declared: dict[str, Any]) -> tuple[StudyFile | None, list[Mistake]]:
    """The validated study, or None and everything that is wrong with its form."""
    mistakes = _check_searched(declared)
    try:
        study_file = StudyFile.model_validate(declared)
    except ValidationError as error:
        return None, mistakes + [_mistake(dict(details)) for details in error.errors()]
    mistakes += _check_directions(study_file) + _check_enqueued(study_file)
    return (None if mistakes else study_file), mistakes


def _check_searched(declared: dict[str, Any]) -> list[Mistake]:
    """A study is of a model on data, or of a function."""
    if declared.get("objective") is None:
        return [Mistake(key, None, "is missing; add it") for key in ("data", "model") if declared.get(key) is None]
    mend = "means nothing where the study is of a function (objective); take one of the two out"
    return [Mistake(key, declared[key], mend) for key in OF_MODELS if key in declared]


def _check_directions(study_file: StudyFile) -> list[Mistake]:
    if study_file.objective is not None and study_file.several:
        return [Mistake("metric", list(study_file.metrics), "a function has a single objective; name one")]
    n_metrics, directions = len(study_file.metrics), study_file.directions
    if n_metrics == len(directions):
        return []
    given = directions[0] if len(directions) == 1 else list(directions)
    return [Mistake("direction", given, f"metric names {n_metrics}; write as many, one for each")]


def _check_enqueued(study_file: StudyFile) -> list[Mistake]:
    if study_file.objective is not None:
        return []  # what it samples is known once it has
    return [
        Mistake(f"enqueue[{position}].{name}", params[name], hint)
        for position, params in enumerate(study_file.enqueue)
        for name, hint in enqueued.refused(study_file.space, params).items()
    ]


def _override(declared: dict[str, Any], key: str, text: str) -> None:
    """Lays one override over the declaration: the value that the dotted key names is replaced as a whole."""
    if "\n" in key:
        raise ValueError("one key alone")
    path, rest = [], tomllib.loads(f"{key} = 0")
    while isinstance(rest, dict):
        (name,) = rest
        path.append(name)
        rest = rest[name]
    table = declared
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{name} is no section")
    table[path[-1]] = _value(text)


def _value(text: str) -> Any:
    try:
        (value,) = tomllib.loads(f"value = {text}").values()  # another key after a line's end is a ValueError
        return value
    except tomllib.TOMLDecodeError:
        if not re.fullmatch(r"[\w./:\\ -]+", text):
            raise
        return text  # a bare word


def _mistake(details: dict[str, Any]) -> Mistake:
    """One of pydantic's findings in our words: field, value, mend."""
    place = [part for part in details["loc"] if not (isinstance(part, str) and part.startswith("<"))]
    field = ".".join(str(part) for part in place) or "the study file"
    kind, message = details["type"], str(details["msg"])
    if kind == "missing":
        return Mistake(field, None, "is missing; add it")
    if kind == "extra_forbidden":
        return Mistake(field, details["input"], f"unknown key; {did_you_mean(str(place[-1]), _known_keys(place[:-1]))}")
    if kind in ("model_type", "dict_type"):
        message = f"should be a table; write {{ key = value, ... }}, or [{field}] with its keys below"
    if kind == "tuple_type":
        message = "should be a list; write [...]"
    if kind == "string_pattern_mismatch":
        message = "write module.function" if field == "objective" else "write package.module.Class"
    return Mistake(field, details["input"], message.removeprefix("Value error, ").removeprefix("Input "))


def _known_keys(place: list[Any]) -> list[str]:
    """The keys that the section at ``place`` can have."""
    if place[:1] == ["space"] and len(place) == 3:
        return [*KINDS, "log", "step", "when", "length"]
    section: Any = StudyFile
    for part in place:
        section = section.model_fields[part].annotation
        section = next((kind for kind in get_args(section) if isinstance(kind, type)), section)
    return [field.alias or name for name, field in section.model_fields.items() if not field.exclude]
