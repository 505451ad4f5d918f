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
from typing import Any

from pydantic import BaseModel, ValidationError

from lightsearch.declare.sections import IMPORT_PATH, ClassSpec
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.errors import Mistake, UserError
from lightsearch.preflight.arguments import check_arguments
from lightsearch.preflight.blame import told
from lightsearch.preflight.trainer import accelerators_here, check_trainer, devices_of_trial
from lightsearch.study.provenance import noticed

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

    from lightsearch.declare.arguments import data_context, default_params, model_context, with_context
    from lightsearch.declare.classes import find_class, find_function
    from lightsearch.declare.nested import sampled_objects, with_objects
    from lightsearch.training.loggers import missing_package
    from lightsearch.training.trainer import quiet

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
            check_arguments(cls, specs["data"], "data", sampled["data"], context)
            # What is sampled must have a value here; its default serves, since no split depends on it.
            given = with_context(cls, specs["data"].init_args, context)
            partial = sampled_objects(specs["data"].init_args, sampled["data"])
            # Else an argument without a default is sampled: a dry run builds the data first.
            if _suffices(cls, given) and not partial:
                data = cls(**with_objects(cls, given, "data"))
                facts = data.describe() if hasattr(data, "describe") else {}
    if specs["model"] is not None:
        with _collecting(mistakes, "model.class_path", specs["model"]):
            cls = find_class(specs["model"], "model")
            check_arguments(
                cls, specs["model"], "model", sampled["model"], model_context(data), complete=data is not None
            )
    if (logger := _section(declared, "logger")) is not None:
        with _collecting(mistakes, "logger.class_path", logger):
            cls = find_class(logger, "logger")
            check_arguments(cls, logger, "logger", {}, {}, complete=False)
            if (package := missing_package(cls)) is not None:
                hint = f"needs a package that is not installed: pip install {package}"
                mistakes.append(Mistake("logger.class_path", logger.class_path, hint))
    accelerators = accelerators_here(declared)
    devices = devices_of_trial(declared, sampled["trainer"])
    mistakes.extend(check_trainer(declared, sampled["trainer"], devices, accelerators))
    if isinstance(path := declared.get("objective"), str) and re.match(IMPORT_PATH, path):
        with _collecting(mistakes, "objective", path):
            find_function(path, declared.get("given"))
    baseline = None
    if not mistakes and declared.get("baseline") is True:
        study_file, wrong = validate(declared)
        try:
            baseline = default_params(study_file) if study_file is not None and not wrong else None
        except ValueError as error:
            hint = f"the defaults are no configuration of the space: {error}; widen it, or name one with enqueue"
            mistakes.append(Mistake("baseline", True, hint))
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


def _seed(declared: dict[str, Any]) -> int:
    """The study's seed; one that is none is reported elsewhere."""
    seed = declared.get("seed")
    default: int = StudyFile.model_fields["seed"].default
    return seed if type(seed) is int and 0 <= seed < 2**32 else default


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
