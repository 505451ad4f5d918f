"""A study file for a user's class, proposed from its signature."""

from __future__ import annotations

import contextlib
import inspect
import re
from typing import Any

from lightsearch.declare.direction import direction_line, direction_of, preferred
from lightsearch.declare.logged_names import logged_in_validation
from lightsearch.declare.ranges import as_toml, range_of
from lightsearch.declare.repeats import FOLD_ARGUMENTS
from lightsearch.declare.toml_text import toml_value

TABLES = ("hparams", "config", "cfg", "params")
"""Names under which a constructor takes a whole dictionary of hyperparameters."""

LOGGED = re.compile(r"""["'](val(?:id|idation)?[_/][\w/]+)["']""")


def propose(model: type, data: type | None, *, name: str, known: set[str]) -> str:
    """The text of a study file, with comments on what the user may want to change.

    Args:
        model: The LightningModule's class.
        data: The LightningDataModule's class; None: the model has loaders of its own.
        name: The study's name.
        known: Names of arguments that lightsearch or the data fills in.
    """
    metric, why = metric_of(model)
    lines = [
        f"# lightsearch run --study {name} --n-trials 20",
        f"name = {toml_value(name)}",
        "seed = 42",
        f"metric = {toml_value(metric)}  # {why}",
        direction_line(metric, direction_of(metric)),
        "",
    ]
    spaces = []
    for section, cls in (("data", data), ("model", model)):
        if cls is None:
            continue
        given, sampled = _arguments(cls, known | set(FOLD_ARGUMENTS) if _folds(cls) else known)
        lines += [f"[{section}]", f"class_path = {toml_value(f'{cls.__module__}.{cls.__qualname__}')}", *given, ""]
        if sampled:
            spaces += [f"[space.{section}]", *sampled, ""]
    lines += spaces
    lines += [
        "[trainer]  # keyword arguments of the Lightning Trainer, and patience: epochs without a better metric",
        "max_epochs = 20",
        "patience = 4",
        "",
        *_validation(data),
    ]
    return "\n".join(lines) + "\n"


def _folds(cls: type | None) -> list[inspect.Parameter]:
    """The arguments ``fold`` and ``folds`` of a class that takes both; lightsearch fills them in."""
    parameters = inspect.signature(cls).parameters if cls is not None else {}
    return [parameters[name] for name in FOLD_ARGUMENTS] if set(FOLD_ARGUMENTS) <= parameters.keys() else []


def _validation(data: type | None) -> list[str]:
    """The section of several trainings: a comment, unless the data cannot be built without its folds."""
    why = "  # a trial's value is the mean over several trainings; configurations that are not worth it train once"
    if any(parameter.default is parameter.empty for parameter in _folds(data)):
        return [f"[validation]{why}", "folds = 5"]
    return [f"# [validation]{why}", "# seeds = 3"]


def metric_of(model: type) -> tuple[str, str]:
    """The metric to optimise, from the names that the source of the class logs, and a comment on it."""
    logged = logged_in_validation(model)
    if not logged:
        with contextlib.suppress(OSError, TypeError):  # no source
            logged = list(dict.fromkeys(LOGGED.findall(inspect.getsource(model))))
    if not logged:
        return "val_loss", "CHANGE: the name of a metric that the module logs in validation"
    return preferred(logged), f"the module logs {', '.join(logged)}"


def _arguments(cls: type, known: set[str]) -> tuple[list[str], list[str]]:
    """Lines of ``init_args`` (some as comments), and lines of the space."""
    given, sampled = [], []
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in known:
            continue
        if (span := range_of(parameter)) is not None:
            has_default = parameter.default is not parameter.empty and parameter.default is not None
            prior = {"prior": parameter.default} if has_default else {}  # the range has it in it
            sampled.append(f"{parameter.name} = {as_toml({**span, **prior})}")
        elif parameter.default is parameter.empty:
            value = _placeholder(parameter)
            keys = f', and its keys are sampled as "{parameter.name}.KEY"' if value == "{}" else ""
            given.append(f"init_args.{parameter.name} = {value}  # CHANGE: it has no default{keys}")
        else:
            given.append(f"# init_args.{parameter.name} = {toml_value(parameter.default)}")
    return given, sampled


def _placeholder(parameter: inspect.Parameter) -> str:
    kinds = {"int": "1", "float": "1.0", "str": '""', "bool": "false", "dict": "{}"}
    hint = parameter.annotation
    if parameter.name in TABLES and hint in (parameter.empty, Any, "Any"):
        return "{}"
    word = hint.partition("[")[0] if isinstance(hint, str) else getattr(hint, "__name__", "")
    return kinds.get(word, '""')
