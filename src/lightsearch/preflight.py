"""What can be known of a study before anything is stored: are its classes there, do they take what they are given,
is the data there. Runs in a child of the fork server, so that the coordinator need not import torch."""

from __future__ import annotations

import contextlib
import inspect
import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lightsearch.blame import told
from lightsearch.errors import Mistake, UserError, did_you_mean
from lightsearch.provenance import noticed
from lightsearch.space import Parameter
from lightsearch.study_file import IMPORT_PATH, ClassSpec, StudyFile, TrainerSpec, validate
from lightsearch.trainer_flags import check_flags

PACKAGES = ("lightsearch", "torch", "torchvision", "pytorch-lightning", "optuna")


class Preflight(BaseModel):
    """What is known of a study once its classes and its data have been seen, and before anything is stored."""

    mistakes: list[str] = []
    """What has to be mended first, a line each."""
    data: dict[str, Any] = {}
    """What the data says of itself: sizes, and the digest of the split."""
    device: str = "cpu"
    """``cpu``, or the accelerator's name."""
    accelerators: int = 0
    """How many of them there are for trials."""
    devices: int = 1
    """How many of them, or of processes on the CPU, a trial takes at most."""
    noticed: dict[str, Any] = {}
    """What may change within a study, and is said when it does: see ``provenance``."""
    baseline: dict[str, Any] | None = None
    """The parameters that the classes' own defaults make, if the study begins with them."""
    versions: dict[str, str] = {}
    """Versions of Python and of the packages that results depend on."""
    commit: str | None = None
    """The git commit of the folder that the command is started in, ``-dirty`` if files differ from it."""


def preflight(declared: dict[str, Any], data_dir: str | None) -> Preflight:
    """Finds and checks what a study file names, and loads its data once, if it has any.

    Takes the file as it is written, so that what its classes say can be reported together with what is wrong with
    its form.

    Args:
        declared: The study file's content.
        data_dir: Folder of the data files.
    """
    import torch

    from lightsearch.components import arguments, data_context, defaults, find_class, find_function, model_context
    from lightsearch.loggers import missing_package
    from lightsearch.training import quiet

    quiet()
    mistakes: list[Mistake | str] = []
    facts: dict[str, Any] = {}
    data: Any = None
    specs = {section: _section(declared, section) for section in ("data", "model")}
    sampled = {section: _sampled(declared, section) for section in ("data", "model", "trainer")}
    if specs["data"] is not None:
        with _collecting(mistakes, "data.class_path", specs["data"]):
            cls = find_class(specs["data"], "data")
            context = data_context(_seed(declared), data_dir)
            _check_arguments(cls, specs["data"], "data", sampled["data"], context)
            # What is sampled must have a value here; its default serves, since no split depends on it.
            given = arguments(cls, specs["data"].init_args, context)
            if _suffices(cls, given):  # else an argument without a default is sampled: a dry run builds the data first
                data = cls(**given)
                facts = data.describe() if hasattr(data, "describe") else {}
    if specs["model"] is not None:
        with _collecting(mistakes, "model.class_path", specs["model"]):
            cls = find_class(specs["model"], "model")
            _check_arguments(
                cls, specs["model"], "model", sampled["model"], model_context(data), complete=data is not None
            )
    if (logger := _section(declared, "logger")) is not None:
        with _collecting(mistakes, "logger.class_path", logger):
            cls = find_class(logger, "logger")
            _check_arguments(cls, logger, "logger", {}, {}, complete=False)
            if (package := missing_package(cls)) is not None:
                mend = f"needs a package that is not installed: pip install {package}"
                mistakes.append(Mistake("logger.class_path", logger.class_path, mend))
    accelerators = _accelerators(declared)
    devices = _devices(declared, sampled["trainer"])
    mistakes.extend(_check_trainer(declared, sampled["trainer"], devices, accelerators))
    if isinstance(path := declared.get("objective"), str) and re.match(IMPORT_PATH, path):
        with _collecting(mistakes, "objective", path):
            find_function(path, declared.get("given"))
    baseline = None
    if not mistakes and declared.get("baseline") is True:
        study_file, wrong = validate(declared)
        try:
            baseline = defaults(study_file) if study_file is not None and not wrong else None
        except ValueError as error:
            mend = f"the defaults are no configuration of the space: {error}; widen it, or name one with enqueue"
            mistakes.append(Mistake("baseline", True, mend))
    cuda = torch.cuda.is_available()
    return Preflight(
        mistakes=[str(mistake) for mistake in mistakes],
        data=facts,
        baseline=baseline,
        device=torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
        accelerators=accelerators,
        devices=max(devices, default=1),
        commit=_commit(),
        noticed=noticed(declared, accelerators),
        versions={"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    )


@contextlib.contextmanager
def _collecting(mistakes: list[Mistake | str], field: str, given: ClassSpec | str) -> Iterator[None]:
    """Takes what goes wrong with a class or a function as mistakes, what its own code raises included."""
    try:
        yield
    except UserError as error:
        mistakes.extend(error.mistakes)
    except (Exception, SystemExit) as error:
        mistakes.append(told(error, field, given if isinstance(given, str) else given.class_path))


def _suffices(cls: type, given: dict[str, Any]) -> bool:
    """Whether a class can be called with these arguments."""
    try:
        inspect.signature(cls).bind(**given)
    except TypeError:
        return False
    return True


def _check_arguments(
    cls: type,
    spec: ClassSpec,
    field: str,
    sampled: dict[str, Any],
    context: dict[str, Any],
    *,
    complete: bool = True,
) -> None:
    """Compares what a class is given with its signature; what is missing only if the context is complete."""
    parameters = inspect.signature(cls).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    mistakes = []
    for place, given in ((f"{field}.init_args", spec.init_args), (f"space.{field}", sampled)):
        for name, value in given.items():
            argument = name.partition(".")[0]
            if argument not in parameters and not takes_any:
                mend = f"{cls.__name__} has no argument {argument}; {did_you_mean(argument, parameters)}"
                mistakes.append(Mistake(f"{place}.{name}", value, mend))
            elif name in parameters:
                examples = [value] if place.endswith("init_args") else _examples(value)
                mistakes += _check_type(cls, name, examples, Mistake(f"{place}.{name}", value, ""))
    for name in spec.init_args.keys() & sampled.keys():
        mistakes.append(Mistake(f"{field}.init_args.{name}", spec.init_args[name], "is sampled as well; keep one"))
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        named = {argument.partition(".")[0] for argument in sampled}
        if complete and needed and name not in {*spec.init_args, *named, *context}:
            mistakes.append(Mistake(f"{field}.init_args.{name}", None, f"{cls.__name__} needs it; add it"))
    if mistakes:
        raise UserError(*mistakes)


def _examples(declared: Any) -> list[Any]:
    """Some arguments that a parameter of the space makes; none if its form is wrong, which is reported elsewhere."""
    try:
        parameter: Any = TypeAdapter(Parameter).validate_python(declared)
    except ValidationError:
        return []
    found: list[Any] = parameter.examples()
    return found


def _check_type(cls: type, name: str, examples: list[Any], at: Mistake) -> list[Mistake]:
    """Compares arguments with the type that the signature asks for; what has none, or an odd one, is let through."""
    try:
        hint = get_type_hints(cls.__init__)[name]  # type: ignore[misc]
        taken = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # hints can be anything, names that exist for a type checker alone included
        return []
    for example in examples:
        try:
            # What pydantic would have to make something else of is not what the class asks for.
            fits = _same(taken.validate_python(example), example)
        except Exception:
            fits = False
        if not fits:
            words = getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint)
            return [Mistake(at.field, at.value, f"{cls.__name__} takes {words} for {name}, not {example!r}")]
    return []


def _same(converted: Any, given: Any) -> bool:
    """Whether a value was taken as it is; a whole number serves as a real one."""
    if isinstance(given, list):
        taken = list(converted)
        return len(taken) == len(given) and all(map(_same, taken, given))
    real = type(given) is int and type(converted) is float
    return bool(converted == given) and (type(converted) is type(given) or real)


def _accelerators(declared: dict[str, Any]) -> int:
    """The GPUs that trials may take."""
    import torch

    on_cpu = _trainer(declared).get("accelerator") == "cpu"
    return 0 if on_cpu or not torch.cuda.is_available() else torch.cuda.device_count()


def _devices(declared: dict[str, Any], sampled: dict[str, Any]) -> list[int]:
    """How many devices trials take, the outermost numbers; what is no such number is reported elsewhere."""
    given = _examples(sampled["devices"]) if "devices" in sampled else [_trainer(declared).get("devices", 1)]
    return [number for number in given if type(number) is int and number > 0]


def _check_devices(keywords: dict[str, Any], sampled: dict[str, Any], devices: list[int], gpus: int) -> list[Mistake]:
    mistakes = []
    if "devices" in sampled and len(devices) < max(1, len(_examples(sampled["devices"]))):
        mistakes.append(Mistake("space.trainer.devices", sampled["devices"], "sample whole numbers from 1"))
    if keywords.get("num_nodes", 1) != 1:
        mend = "a trial has one machine; leave it out, and start the same search on each machine, on one PostgreSQL"
        mistakes.append(Mistake("trainer.num_nodes", keywords["num_nodes"], mend))
    if gpus and max(devices, default=1) > gpus:
        place = "space.trainer.devices" if "devices" in sampled else "trainer.devices"
        mend = f"there are {gpus} GPUs here; write {gpus} at most, or hide them (CUDA_VISIBLE_DEVICES=) to use the CPU"
        mistakes.append(Mistake(place, max(devices), mend))
    return mistakes


def _check_trainer(
    declared: dict[str, Any], sampled: dict[str, Any], devices: list[int], accelerators: int
) -> list[Mistake]:
    import pytorch_lightning as pl

    keywords = {
        key: value
        for key, value in _trainer(declared).items()
        if key not in TrainerSpec.model_fields or key in ("max_epochs", "devices")
    }
    known = set(inspect.signature(pl.Trainer).parameters) - {"callbacks", "default_root_dir"}
    mistakes = [
        Mistake(f"{place}.{name}", value, f"unknown key; {did_you_mean(name, known | TrainerSpec.model_fields.keys())}")
        for place, given in (("trainer", keywords), ("space.trainer", sampled))
        for name, value in given.items()
        if name not in known
    ]
    mistakes += _check_devices(keywords, sampled, devices, accelerators)
    if not mistakes:
        epochs = {"max_epochs": TrainerSpec.model_fields["max_epochs"].default, **keywords}
        examples = {name: _examples(value) for name, value in sampled.items()}
        mistakes += check_flags(epochs, examples, has_logger=declared.get("logger") is not None)
    if not mistakes:
        try:
            pl.Trainer(**{"logger": False, "enable_checkpointing": False, **keywords})
        except Exception as error:  # whatever Lightning objects to, in its own words
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            mistakes.append(Mistake("trainer", keywords, f"the Lightning Trainer says: {reason}"))
    return mistakes


def _seed(declared: dict[str, Any]) -> int:
    """The study's seed; one that is none is reported elsewhere."""
    seed = declared.get("seed")
    default: int = StudyFile.model_fields["seed"].default
    return seed if type(seed) is int and 0 <= seed < 2**32 else default


def _trainer(declared: dict[str, Any]) -> dict[str, Any]:
    section = declared.get("trainer", {})
    return section if isinstance(section, dict) else {}


def _commit() -> str | None:
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.strip() or None


def _section(declared: dict[str, Any], section: str) -> ClassSpec | None:
    try:
        return ClassSpec.model_validate(declared.get(section))
    except ValidationError:
        return None  # its form is reported by the study file's own validation


def _sampled(declared: dict[str, Any], section: str) -> dict[str, Any]:
    space = declared.get("space", {})
    parameters = space.get(section, {}) if isinstance(space, dict) else {}
    return parameters if isinstance(parameters, dict) else {}
