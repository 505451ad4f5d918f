"""Data, model and callbacks of a LightningCLI project, built by the project's own LightningCLI."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
import os
import runpy
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from lightsearch.compat.lightning_cli import Capture, captured, lightning_cli
from lightsearch.compat.lightning_package import NAMES, package_of
from lightsearch.data.one_split import drawn_from
from lightsearch.declare.config_starter import BuiltConfig
from lightsearch.declare.lightning_cli import ConfigSpec, config_of, embedded, read_files, resolved_later
from lightsearch.declare.nested import one_line
from lightsearch.declare.starter_file import metric_of
from lightsearch.declare.validation import validate
from lightsearch.declare.yaml_text import dump_yaml, load_yaml
from lightsearch.errors import Mistake, UserError
from lightsearch.training.quiet import quiet

SHOWN = ("ProgressBar", "ModelSummary")
"""Callbacks that print. A search has a display of its own."""


def build_config(
    spec: ConfigSpec,
    sampled: dict[str, Any],
    keywords: dict[str, Any],
    *,
    seed: int,
    study_seed: int,
    silent: bool = False,
) -> Capture:
    """Lets the project's LightningCLI build everything for one configuration.

    Args:
        spec: The study's configuration.
        sampled: The sampled values of ``[space.config]``.
        keywords: The Trainer's keyword arguments, declared and sampled.
        seed: The trial's seed.
        study_seed: The study's seed. What the data module draws when it is built follows from it.
        silent: Whether to discard what the project's code prints.

    Returns:
        What it has built: the callbacks without those that print, and those of the Trainer's keyword arguments that
        are not in ``keywords`` and differ from the defaults.

    Raises:
        UserError: if the configuration is refused, the project calls no LightningCLI, or its Trainer cannot be used.
        Exception: exceptions of the project's own code.
    """
    content = config_of(spec, sampled, {"accelerator": "auto", **keywords}, seed)
    for name in ("ckpt_path", "weights_only"):  # weights come from init_from, or from the trial's own checkpoint
        content.pop(name, None)
    run = runner(spec)
    drawn = functools.partial(drawn_from, study_seed)
    try:
        with (
            _without_arguments(spec),
            _silent() if silent else contextlib.nullcontext(),
            captured(dump_yaml(content), drawn, functools.partial(_relative_to, spec.folder)) as capture,
        ):
            quiet()  # after the import of either Lightning package, which sets its level
            run()
    except ArgumentError as error:
        raise UserError(_refused(error, spec)) from None
    if capture.model is None:
        raise UserError(Mistake(*spec.key, "ends without a call of LightningCLI(...); name what calls it"))
    _check_trainer(capture, spec)
    capture.trainer_keywords = _own_keywords(capture, keywords)
    capture.callbacks = [one for one in capture.callbacks if not _prints(one)]
    return capture


def built_config(files: list[str], cli: str | None) -> tuple[BuiltConfig, bool]:
    """What LightningCLI builds of a project's own configuration, and whether the study file has to name a logger.

    Raises:
        UserError: if the configuration is refused.
        Exception: exceptions of the project's own code.
    """
    section: dict[str, Any] = {"file": files} | ({"cli": cli} if cli is not None else {})
    content = read_files([Path(file) for file in files])
    logger = (content.get("trainer") or {}).get("logger")
    cannot_be_taken = resolved_later(logger) or (isinstance(logger, list) and len(logger) > 1)
    declared = {"name": "new", "config": section, "logger": None, "trainer": {"max_epochs": 1}}
    study_file, mistakes = validate(embedded(declared, Path()))
    if study_file is None or study_file.config is None or mistakes:
        raise UserError(*mistakes)
    keywords = {name: value for name, value in study_file.trainer.keywords.items() if name != "max_epochs"}
    seed = study_file.seed
    capture = build_config(study_file.config, {}, keywords, seed=seed, study_seed=seed, silent=True)
    parsed = load_yaml(capture.dump())
    epochs = capture.trainer_keywords.get("max_epochs")
    with _main_is(cli):
        metric = metric_of(type(capture.model))
    return BuiltConfig(content, parsed, metric, capture.callbacks, epochs), cannot_be_taken


@contextlib.contextmanager
def _main_is(cli: str | None) -> Iterator[None]:
    """The module ``__main__`` is the script, so that the source of its classes is found."""
    if cli is None or not cli.endswith(".py"):
        yield
        return
    script = ModuleType("__main__")
    script.__file__ = cli
    with mock.patch.dict(sys.modules, {"__main__": script}):
        yield


def runner(spec: ConfigSpec) -> Callable[[], object]:
    """What calls ``LightningCLI(...)``, found but not called.

    Args:
        spec: The study's configuration.

    Raises:
        UserError: if there is no such script, module or function.
    """
    cli = spec.cli
    if cli is None:
        return lightning_cli(_package(spec))  # type: ignore[no-any-return]
    _add_to_path(str(Path(cli).parent.absolute()) if cli.endswith(".py") else os.getcwd())  # noqa: PTH109
    if cli.endswith(".py"):
        if not Path(cli).is_file():
            hint = "no such script; it is relative to the folder where the command starts"
            raise UserError(Mistake("config.cli", cli, hint))
        return lambda: runpy.run_path(cli, run_name="__main__")
    module, _, name = cli.rpartition(".")
    if module and _exists(module) and hasattr(importlib.import_module(module), name):
        found = getattr(importlib.import_module(module), name)
        if not inspect.ismodule(found):
            return _as_function(found, cli)
    if _exists(cli):
        return lambda: runpy.run_module(cli, run_name="__main__", alter_sys=True)
    raise UserError(Mistake("config.cli", cli, "no such module or function; write main.py, or package.module.function"))


def _as_function(found: Any, cli: str) -> Callable[[], object]:
    if not callable(found):
        raise UserError(Mistake("config.cli", cli, "is no function; name one that calls LightningCLI(...)"))
    try:
        inspect.signature(found).bind()
    except TypeError:
        hint = f"takes {inspect.signature(found)}; it is called without arguments"
        raise UserError(Mistake("config.cli", cli, hint)) from None
    return found  # type: ignore[no-any-return]


@contextlib.contextmanager
def _without_arguments(spec: ConfigSpec) -> Iterator[None]:
    """The project's code sees no arguments of the command line."""
    with mock.patch.object(sys, "argv", [spec.cli or "main.py"]):
        yield


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        yield


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _add_to_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _package(spec: ConfigSpec) -> Any:
    """The Lightning package of the model that the configuration names."""
    model = (spec.content or {}).get("model")
    path = str(model.get("class_path") if isinstance(model, dict) else model)
    _add_to_path(os.getcwd())  # noqa: PTH109
    module, _, name = path.rpartition(".")
    lightning = None
    if module:
        try:
            lightning = package_of(getattr(importlib.import_module(module), name, object))
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
    if lightning is None:
        hint = "no LightningModule of this name can be imported; write package.module.Class, or name the script: cli"
        raise UserError(Mistake("config.model.class_path", path, hint))
    return lightning


@contextlib.contextmanager
def _relative_to(folder: str) -> Iterator[None]:
    """Paths in a configuration are relative to its file, as far as an argument has jsonargparse's type for paths."""
    from jsonargparse.typing import Path as ConfigPath

    if not Path(folder).is_dir():
        yield
        return
    with ConfigPath(folder, mode="drw" if os.access(folder, os.W_OK) else "dr").relative_path_context():
        yield


def _refused(error: ArgumentError, spec: ConfigSpec) -> Mistake:
    words = one_line(f"\n{error}") or str(error).splitlines()[0]
    return Mistake(*spec.key, f"LightningCLI says: {words.replace('fit.', '')}")


def _check_trainer(capture: Capture, spec: ConfigSpec) -> None:
    """Refuses what the Trainer of a trial cannot have."""
    lightning = package_of(type(capture.model))
    own = importlib.import_module(lightning.__name__ if lightning else NAMES[0]).Trainer
    if capture.trainer_class is not None and capture.trainer_class is not own:
        name = getattr(capture.trainer_class, "__name__", str(capture.trainer_class))
        hint = f"has a Trainer of its own ({name}); a search trains with Lightning's Trainer"
        raise UserError(Mistake(*spec.key, hint))
    for name in ("plugins", "strategy"):
        value = capture.trainer_keywords.get(name)
        if value and not isinstance(value, str):
            hint = f'is an object, and a search has its own; write {name} = "auto" in [trainer], or leave it out'
            raise UserError(Mistake(f"config.trainer.{name}", value, hint))


def _own_keywords(capture: Capture, keywords: dict[str, Any]) -> dict[str, Any]:
    """The captured keyword arguments that neither the study nor lightsearch decides."""
    defaults = inspect.signature(capture.trainer_class).parameters if capture.trainer_class is not None else {}
    decided = {*keywords, "logger", "default_root_dir", "accelerator", "enable_progress_bar", "enable_model_summary"}
    return {
        name: value
        for name, value in capture.trainer_keywords.items()
        if name not in decided and value is not None and not (name in defaults and defaults[name].default == value)
    }


def _prints(callback: Any) -> bool:
    return any(base.__name__ in SHOWN for base in type(callback).__mro__)
