"""Checks of a study before anything is stored: do its classes exist, do they take their arguments, is the data there.

They run in a child of the fork server, so that the coordinator does not import torch.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from lightsearch.declare.lightning_cli import ConfigSpec, sampled_keywords
from lightsearch.declare.sections import IMPORT_PATH, ClassSpec
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.errors import Mistake, UserError
from lightsearch.preflight import environment
from lightsearch.preflight.arguments import check_arguments, suffices
from lightsearch.preflight.blame import as_mistake
from lightsearch.preflight.callbacks import check_callbacks
from lightsearch.preflight.folds import check_takes_folds, describe_folds, folds_of
from lightsearch.preflight.trainer import accelerators_here, check_trainer, devices_of_trial
from lightsearch.study.provenance import noticed

Mistakes = list[Mistake | str]


class Preflight(BaseModel):
    """What the checks found."""

    mistakes: list[str] = []
    """What has to be corrected first, one line each."""
    data: dict[str, Any] = {}
    """The data's description: sizes, and the digest of the split."""
    device: str = "cpu"
    """The name of the accelerator or of the processor."""
    accelerators: int = 0
    """Number of accelerators for trials."""
    devices: int = 1
    """Maximum number of devices (or of processes on the CPU) of a trial."""
    prepares: bool = True
    """Whether the data may have a ``prepare_data`` of its own; Lightning's does nothing."""
    noticed: dict[str, Any] = {}
    """What may change within a study, and is reported when it does: see ``provenance``."""
    baseline: dict[str, Any] | None = None
    """The parameters of the classes' own defaults, if the study begins with them."""
    defaults: dict[str, dict[str, Any]] = {}
    """Defaults of the classes for sampled arguments, by section; only plain values."""
    versions: dict[str, str] = {}
    """Versions of Python and of the packages that results depend on."""
    commit: str | None = None
    """The git commit of the folder in which the command is started; ends in ``-dirty`` if files differ from it."""


def preflight(declared: dict[str, Any], data_dir: str | None) -> Preflight:
    """Finds and checks what a study file names, and loads its data once, if it has any.

    It takes the file's content before validation, so that mistakes of both kinds are reported together.

    Args:
        declared: The study file's content.
        data_dir: Folder of the data files.
    """
    from lightsearch.training.quiet import quiet

    quiet()
    mistakes: Mistakes = []
    data, facts = _check_data(declared, data_dir, mistakes)
    _check_model(declared, data, mistakes)
    _check_config(declared, mistakes)
    _check_logger(declared, mistakes)
    check_callbacks(declared, _sampled(declared, "callbacks"), functools.partial(_collecting, mistakes))
    sampled = _sampled(declared, "trainer")
    accelerators, devices = accelerators_here(declared), devices_of_trial(declared, sampled)
    mistakes.extend(check_trainer(declared, sampled, devices, accelerators))
    _check_objective(declared, mistakes)
    baseline = _baseline(declared, mistakes)
    return Preflight(
        mistakes=[str(mistake) for mistake in mistakes],
        data=facts,
        baseline=baseline,
        defaults={} if mistakes else _defaults(declared),
        device=environment.device_name(),
        accelerators=accelerators,
        devices=max(devices, default=1),
        prepares=not mistakes and _may_prepare(declared),
        commit=environment.commit(),
        noticed=noticed(declared, accelerators),
        versions=environment.versions(),
    )


def _check_data(declared: dict[str, Any], data_dir: str | None, mistakes: Mistakes) -> tuple[Any, dict[str, Any]]:
    """The data, if it can be built already, and its description."""
    from lightsearch.declare.arguments import data_context, with_context
    from lightsearch.declare.classes import find_class
    from lightsearch.declare.nested import sampled_objects, with_objects

    data: Any = None
    facts: dict[str, Any] = {}
    spec, sampled = _section(declared, "data"), _sampled(declared, "data")
    if spec is not None:
        with _collecting(mistakes, "data.class_path", spec.class_path):
            cls = find_class(spec, "data")
            folds = folds_of(declared)
            if folds is not None and (wrong := check_takes_folds(cls, folds, {*spec.init_args, *sampled})):
                raise UserError(*wrong)
            context = data_context(_seed(declared), data_dir, folds)
            check_arguments(cls, spec, "data", sampled, context)
            # Sampled arguments keep their defaults here: the split does not depend on them.
            given = with_context(cls, spec.init_args, context)
            # Otherwise a sampled argument has no default: the dry run builds the data first.
            if suffices(cls, given) and not sampled_objects(spec.init_args, sampled):
                data = cls(**with_objects(cls, given, "data"))
                facts = data.describe() if hasattr(data, "describe") else {}
                if folds is not None:
                    facts = describe_folds(facts, cls, given, folds)
    return data, facts


def _may_prepare(declared: dict[str, Any]) -> bool:
    """Whether there may be data to prepare in a study without mistakes."""
    from lightsearch.compat.lightning_package import NAMES
    from lightsearch.declare.classes import find_class

    spec = _section(declared, "data")
    if spec is None:
        return declared.get("config") is not None
    hook = getattr(find_class(spec, "data"), "prepare_data", None)
    return not str(getattr(hook, "__module__", None)).startswith(NAMES)


def _check_model(declared: dict[str, Any], data: Any, mistakes: Mistakes) -> None:
    from lightsearch.compat.lightning_package import overrides
    from lightsearch.declare.arguments import model_context
    from lightsearch.declare.classes import find_class

    spec, sampled = _section(declared, "model"), _sampled(declared, "model")
    if spec is not None:
        with _collecting(mistakes, "model.class_path", spec.class_path):
            cls = find_class(spec, "model")
            has_own = declared.get("data") is None
            if has_own and not overrides(cls, "train_dataloader"):
                mistakes.append(Mistake("data", None, "is missing; add it, or give the model a train_dataloader"))
            check_arguments(cls, spec, "model", sampled, model_context(data), complete=has_own or data is not None)


def _check_config(declared: dict[str, Any], mistakes: Mistakes) -> None:
    """Finds what calls LightningCLI; the dry run calls it."""
    from lightsearch.training.lightning_cli import runner

    try:
        spec = ConfigSpec.model_validate(declared.get("config"))
    except ValidationError:
        return  # reported by the study file's validation
    with _collecting(mistakes, *spec.key):
        runner(spec)


def _check_logger(declared: dict[str, Any], mistakes: Mistakes) -> None:
    from lightsearch.declare.classes import find_class
    from lightsearch.training.loggers import missing_package

    spec = _section(declared, "logger")
    if spec is not None:
        with _collecting(mistakes, "logger.class_path", spec.class_path):
            cls = find_class(spec, "logger")
            check_arguments(cls, spec, "logger", {}, {}, complete=False)
            if (package := missing_package(cls)) is not None:
                hint = f"needs a package that is not installed: pip install {package}"
                mistakes.append(Mistake("logger.class_path", spec.class_path, hint))


def _check_objective(declared: dict[str, Any], mistakes: Mistakes) -> None:
    from lightsearch.declare.classes import find_function

    path = declared.get("objective")
    if isinstance(path, str) and re.match(IMPORT_PATH, path):
        with _collecting(mistakes, "objective", path):
            find_function(path, declared.get("given"))


def _baseline(declared: dict[str, Any], mistakes: Mistakes) -> dict[str, Any] | None:
    """The parameters of the classes' own defaults, if the study begins with them."""
    from lightsearch.declare.arguments import default_params

    if mistakes or declared.get("baseline") is not True:
        return None
    study_file, wrong = validate(declared)
    try:
        return default_params(study_file) if study_file is not None and not wrong else None
    except ValueError as error:
        hint = f"the default values are outside the search space: {error}; extend the space, or use enqueue"
        mistakes.append(Mistake("baseline", True, hint))
        return None


def _defaults(declared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The classes' defaults for sampled arguments, as far as they are plain values."""
    from lightsearch.declare.arguments import class_defaults

    study_file, wrong = validate(declared)
    if study_file is None or wrong or study_file.objective is not None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for section, defaults in class_defaults(study_file).items():
        sampled = {entry.argument for entry in study_file.space.entries if entry.section == section}
        plain = {name: _as_plain(value) for name, value in defaults.items() if name in sampled}
        found[section] = {name: value for name, value in plain.items() if value is not None}
    return found


def _as_plain(value: object) -> Any:
    """A value as a study file could have it; None if it could not."""
    if isinstance(value, list | tuple):
        items = [_as_plain(item) for item in value]
        return None if None in items else items
    return value if isinstance(value, bool | int | float | str) else None


@contextlib.contextmanager
def _collecting(mistakes: Mistakes, field: str, given: str) -> Iterator[None]:
    """Adds what goes wrong with a class or a function to the mistakes, including exceptions of the user's code."""
    try:
        yield
    except UserError as error:
        mistakes.extend(error.mistakes)
    except (Exception, SystemExit) as error:
        mistakes.append(as_mistake(error, field, given))


def _seed(declared: dict[str, Any]) -> int:
    """The study's seed; an invalid one is reported by the study file's validation."""
    seed = declared.get("seed")
    default: int = StudyFile.model_fields["seed"].default
    return seed if type(seed) is int and 0 <= seed < 2**32 else default


def _section(declared: dict[str, Any], section: str) -> ClassSpec | None:
    if declared.get("config") is not None and section != "logger":
        return None  # LightningCLI builds the model and the data
    try:
        return ClassSpec.model_validate(declared.get(section))
    except ValidationError:
        return None  # reported by the study file's validation


def _sampled(declared: dict[str, Any], section: str) -> dict[str, Any]:
    space = declared.get("space", {})
    space = space if isinstance(space, dict) else {}
    parameters = space.get(section, {})
    parameters = parameters if isinstance(parameters, dict) else {}
    return {**parameters, **sampled_keywords(space)} if section == "trainer" else parameters
