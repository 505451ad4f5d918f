"""A study file for a LightningCLI configuration, proposed from its values and from what LightningCLI builds of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

from lightsearch.declare.direction import direction_line, direction_of
from lightsearch.declare.lightning_cli import resolved_later
from lightsearch.declare.ranges import as_toml, range_of
from lightsearch.declare.toml_text import toml_key, toml_value
from lightsearch.declare.trainer_flags import REFUSED

SECTIONS = ("data", "model", "optimizer", "lr_scheduler")
"""The sections of a configuration whose values are proposed. A project may have further ones."""
NOT_SAMPLED = ("trainer", "seed_everything", "ckpt_path", "weights_only", "config", "verbose")
SAMPLED_KEYWORDS = ("gradient_clip_val", "accumulate_grad_batches")
"""Settings of the trainer that are worth a search."""
NO_HYPERPARAMETERS = frozenset(
    {"num_workers", "seed", "verbose", "last_epoch", "maximize", "foreach", "capturable", "differentiable", "fused"}
)
"""Names of arguments that are no hyperparameters."""


class BuiltConfig(NamedTuple):
    """What LightningCLI has built of a configuration."""

    content: dict[str, Any]
    """The content of the files."""
    parsed: dict[str, Any]
    """The whole configuration, with all defaults."""
    logged: tuple[str, str]
    """A metric that the model's class logs, and a comment on it."""
    callbacks: list[Any]
    """The built callbacks."""
    max_epochs: Any
    """The Trainer's ``max_epochs``."""


def propose_for_config(built: BuiltConfig, *, files: list[str], cli: str | None, name: str, has_logger: bool) -> str:
    """The text of a study file, with comments on what the user may want to change.

    Args:
        built: What LightningCLI has built.
        files: The configuration files.
        cli: What calls LightningCLI.
        name: The study's name.
        has_logger: Whether the study file has to name the logger: the configuration has several, or one with values
            that only the project's parser resolves.
    """
    metric, direction, why = _metric(built)
    lines = [
        f"# lightsearch run --study {name} --n-trials 20",
        f"name = {toml_value(name)}",
        *_seed(built.content),
        f"metric = {toml_value(metric)}  # {why}",
        direction_line(metric, direction),
        *_init_from(built.content),
        "",
        "[config]",
        f"file = {toml_value(files[0] if len(files) == 1 else files)}",
        *([f"cli = {toml_value(cli)}"] if cli is not None else []),
        "",
        "[space.config]  # any key of the configuration",
        *_space(built.parsed),
        "",
        "[trainer]  # these settings take precedence over those of the configuration's trainer",
        *_trainer(built),
        "",
    ]
    if has_logger:
        lines += _logger(built.content)
    lines += ["[pruner]", 'name = "MedianPruner"', "init_args = { n_startup_trials = 5, n_warmup_steps = 2 }"]
    return "\n".join(lines) + "\n"


def _seed(content: dict[str, Any]) -> list[str]:
    seed = content.get("seed_everything")
    return [f"seed = {seed}  # seed_everything of the configuration"] if type(seed) is int else ["seed = 42"]


def _init_from(content: dict[str, Any]) -> list[str]:
    path = content.get("ckpt_path")
    return [f"init_from = {toml_value(path)}  # ckpt_path of the configuration"] if isinstance(path, str) else []


def _metric(built: BuiltConfig) -> tuple[str, str | None, str]:
    """The metric, its direction, and a comment: what a callback monitors, or what the model's class logs."""
    for callback in sorted(built.callbacks, key=lambda one: "Checkpoint" not in type(one).__name__):
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and not monitor.startswith("train"):
            direction = {"min": "minimize", "max": "maximize"}.get(str(getattr(callback, "mode", None)))
            return monitor, direction or direction_of(monitor), f"the monitor of {type(callback).__name__}"
    metric, why = built.logged
    return metric, direction_of(metric), why


def _space(parsed: dict[str, Any]) -> list[str]:
    """Lines for the values of the configuration: ranges for well-known names, comments for the others."""
    sampled, others = [], []
    own = [key for key, value in parsed.items() if key not in (*SECTIONS, *NOT_SAMPLED) and isinstance(value, dict)]
    for section in (*SECTIONS, *own):
        for key, value in _values(parsed.get(section), section):
            name = key.rpartition(".")[2]
            parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            if name in NO_HYPERPARAMETERS or name.startswith(("num_workers", "log_")):
                continue
            if section != "lr_scheduler" and (span := range_of(parameter)) is not None:
                sampled.append(f"{toml_key(key)} = {as_toml({**span, 'prior': value})}")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                others.append(f"# {toml_key(key)} = {as_toml({'choice': [value]})}")
            elif isinstance(value, bool):
                others.append(f"# {toml_key(key)} = {{ choice = [true, false] }}")
    trainer = parsed.get("trainer") or {}
    others += [
        f'# "trainer.{name}" = {as_toml({"choice": [trainer[name] if trainer.get(name) is not None else 1.0]})}'
        for name in SAMPLED_KEYWORDS
        if name in trainer
    ]
    return sampled + others


def _values(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The plain values in a part of a configuration, with their dotted keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, f"{key}.{name}")
    elif isinstance(value, bool | int | float) or (isinstance(value, list) and value and _are_numbers(value)):
        yield key, value


def _are_numbers(values: list[Any]) -> bool:
    return all(type(one) in (int, float) for one in values)


def _trainer(built: BuiltConfig) -> list[str]:
    trainer = built.content.get("trainer") or {}
    epochs, given = built.max_epochs, type(built.max_epochs) is int and built.max_epochs > 0
    lines = [
        f"max_epochs = {epochs if given else 20}  # "
        + ("that of the configuration" if given else "CHANGE: the configuration has no limit of epochs")
    ]
    if any(hasattr(one, "wait_count") for one in built.callbacks):
        lines.append("patience = 0  # the configuration has an EarlyStopping of its own")
    else:
        lines.append("patience = 4  # epochs without a better metric; 0: never")
    replacements = {"fast_dev_run": "false", "barebones": "false", "enable_checkpointing": "true"}
    for name, value in trainer.items():
        if name in replacements and value is not None and REFUSED[name][0](value):
            lines.append(f"{name} = {replacements[name]}  # a search needs it; the configuration has {value}")
    return lines


def _logger(content: dict[str, Any]) -> list[str]:
    """A section for the first logger."""
    given = content["trainer"]["logger"]
    given = given if isinstance(given, list) else [given]
    loggers = [one if isinstance(one, dict) else {"class_path": one} for one in given]
    path = str(loggers[0].get("class_path"))
    init_args = {name: value for name, value in (loggers[0].get("init_args") or {}).items() if value is not None}
    init_args.pop("version", None)
    later = {name: value for name, value in init_args.items() if resolved_later(value)}
    others = ", ".join(str(one.get("class_path")) for one in loggers[1:])
    return [
        "[logger]" + (f"  # a trial has one; the configuration also has {others}" if others else ""),
        f"class_path = {toml_value(path if '.' in path else f'lightning.pytorch.loggers.{path}')}",
        f"init_args = {toml_value({name: value for name, value in init_args.items() if name not in later})}",
        *(f"# CHANGE: {name} is {value} in the configuration; add its value" for name, value in later.items()),
        "",
    ]
