"""``[config]``: the configuration of a project that uses LightningCLI, in place of ``[model]`` and ``[data]``.

The content of the configuration becomes part of the declaration when the study file is read. Trials, evaluations and
retrainings do not depend on the file after that.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from lightsearch.declare.sections import Arguments, StrictModel, TrainerSpec
from lightsearch.declare.values import OneOrMore
from lightsearch.errors import Mistake, UserError

NOT_TAKEN = frozenset({"callbacks", "logger", "default_root_dir", "enable_progress_bar", "enable_model_summary"})
"""Keys of a configuration's trainer that a trial does not take as they are: objects, and what a search does itself."""


class ConfigSpec(StrictModel):
    """A LightningCLI configuration."""

    file: OneOrMore = ()
    """The YAML files, relative to the study file or else to the working directory. Later files take precedence."""
    cli: str | None = Field(default=None, min_length=1)
    """What calls ``LightningCLI(...)``: a script (``main.py``), a module, or ``package.module.function``. None:
    LightningCLI itself, with the classes that the configuration names."""
    content: Arguments | None = None
    """The content of the files, without the level of the subcommand ``fit``."""
    folder: str = "."
    """The folder of the first file; paths in the configuration are relative to it."""

    @model_validator(mode="after")
    def _is_read(self) -> ConfigSpec:
        if self.content is None:
            raise ValueError("its file cannot be read; write file = 'config.yaml', from where the command starts")
        if self.cli is None and not _names_class(self.content.get("model")):
            raise ValueError(
                "the configuration names no class of the model (class_path), so a script does; "
                "write cli = 'main.py', or package.module.function: what calls LightningCLI(...)"
            )
        return self

    @property
    def key(self) -> tuple[str, str]:
        """The key of the study file, and its value, that names where the classes come from."""
        return ("config.cli", self.cli) if self.cli is not None else ("config.file", ", ".join(self.file) or "config")


def embedded(declared: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The declaration with the content of its LightningCLI configuration, and with what follows from it.

    Plain settings of the configuration's trainer are defaults of ``[trainer]``, its logger that of ``[logger]``, and
    ``seed_everything`` is the default of ``seed``.

    Args:
        declared: The content of a study file. Invalid parts are left to its validation.
        folder: Files are relative to this folder if it has them, otherwise to the working directory.

    Raises:
        UserError: if a file is no YAML with sections.
    """
    section = declared.get("config")
    if not isinstance(section, dict) or not section.get("file") or "content" in section:
        return declared
    names = section["file"] if isinstance(section["file"], list | tuple) else [section["file"]]
    try:
        paths = [folder / name if (folder / name).is_file() else Path(name) for name in names]
        content = read_files(paths)
    except (OSError, TypeError):
        return declared  # the validation reports it
    section = {**section, "content": content, "folder": str(paths[0].parent)}
    return _with_defaults({**declared, "config": section}, content)


def read_files(paths: list[Path]) -> dict[str, Any]:
    """The content of several configuration files in one, as LightningCLI takes several ``--config``.

    Raises:
        OSError: if one cannot be read.
        UserError: if one is no YAML with sections.
    """
    return _merged([read_config(path) for path in paths])


def read_config(path: Path) -> dict[str, Any]:
    """The content of a configuration file, without the level of the subcommand ``fit``.

    A section whose value is the path of another YAML file gets the content of that file.

    Raises:
        OSError: if it cannot be read.
        UserError: if it is no YAML with sections.
    """
    from lightsearch.declare.yaml_text import load_yaml

    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(Mistake("config.file", str(path), f"is not valid YAML: {error}")) from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UserError(Mistake("config.file", str(path), "is no configuration; name one with sections: model, ..."))
    if isinstance(content.get("fit"), dict):
        content = {**{key: value for key, value in content.items() if isinstance(value, dict)}, **content["fit"]}
        content = {key: value for key, value in content.items() if key not in ("fit", "validate", "test", "predict")}
    for key, value in content.items():
        if isinstance(value, str) and value.endswith((".yaml", ".yml")) and (path.parent / value).is_file():
            content[key] = read_config(path.parent / value)
    return content


def replaced(content: Any, sampled: dict[str, Any]) -> Any:
    """A configuration with sampled values in their places. A number stands for the position in a list.

    Args:
        content: The content of a configuration, or a part of it. It is not changed.
        sampled: The sampled values: tables within tables.

    Raises:
        UserError: if a list has no such position.
    """
    result: Any = list(content) if isinstance(content, list) else dict(content or {})
    for name, value in sampled.items():
        key: Any = name
        if isinstance(result, list):
            key = int(name) if name.isdigit() else -1
            if not 0 <= key < len(result):
                hint = f"is no position in a list of the configuration; write 0 to {len(result) - 1}"
                raise UserError(Mistake("space.config", name, hint))
        inner = result[key] if isinstance(result, list) else result.get(key)
        is_section = isinstance(value, dict) and (inner is None or isinstance(inner, dict | list))
        result[key] = replaced(inner, value) if is_section else value
    return result


def config_of(
    spec: ConfigSpec, sampled: dict[str, Any], keywords: dict[str, Any], seed: int, *, logger: Any = False
) -> dict[str, Any]:
    """The configuration of one trial, as LightningCLI takes it.

    Args:
        spec: The configuration of the study.
        sampled: The sampled values of ``[space.config]``, tables within tables.
        keywords: The Trainer's keyword arguments of the trial.
        seed: Its ``seed_everything``.
        logger: The Trainer's logger.
    """
    content = replaced(copy.deepcopy(spec.content or {}), sampled)
    trainer = {**(content.get("trainer") or {}), **keywords, "logger": logger}
    return {"seed_everything": seed, **content, "trainer": trainer} | {"seed_everything": seed}


def class_paths(content: Any) -> Iterable[str]:
    """The dotted class paths in a configuration, at any depth."""
    if isinstance(content, dict):
        path = content.get("class_path")
        yield from [path] if isinstance(path, str) and "." in path else []
        for inner in content.values():
            yield from class_paths(inner)
    elif isinstance(content, list):
        for inner in content:
            yield from class_paths(inner)


def modules_of_config(config: dict[str, Any]) -> list[str]:
    """The modules that a section ``[config]`` needs: those of its classes, and those that its script imports."""
    paths, cli = list(class_paths(config.get("content"))), config.get("cli")
    modules = ["lightning.pytorch.cli", "pytorch_lightning.cli", *(path.rpartition(".")[0] for path in paths)]
    if not isinstance(cli, str):
        return modules
    if not cli.endswith(".py"):
        return [*modules, cli, cli.rpartition(".")[0] or cli]
    try:
        tree = ast.parse(Path(cli).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return modules
    for node in tree.body:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.append(node.module)
    return modules


def _merged(contents: list[dict[str, Any]]) -> dict[str, Any]:
    """Several configurations in one: later values take precedence."""
    result: dict[str, Any] = {}
    for content in contents:
        for key, value in content.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            other_class = both and value.get("class_path", "") not in ("", result[key].get("class_path"))
            result[key] = _merged([result[key], value]) if both and not other_class else value
    return result


def _with_defaults(declared: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    trainer = content.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    defaults: dict[str, Any] = {"trainer": _plain_settings(trainer)}
    if isinstance(own := declared.get("trainer") or {}, dict):
        defaults["trainer"] |= own
    else:
        return {**declared, "trainer": own}  # the validation reports it
    if resolved_later(epochs := trainer.get("max_epochs")) and "max_epochs" not in own:
        hint = "is known only when LightningCLI reads it; write max_epochs in [trainer]"
        raise UserError(Mistake("config.trainer.max_epochs", epochs, hint))
    seed = content.get("seed_everything")
    if type(seed) is int and "seed" not in declared:
        defaults["seed"] = seed
    if "logger" not in declared and (logger := _logger(trainer.get("logger"))) is not None:
        defaults["logger"] = logger
    return {**declared, **defaults}


def _plain_settings(trainer: dict[str, Any]) -> dict[str, Any]:
    """The settings of a trainer that a study file can have. Values that stand for "no limit" are left out."""
    plain = {
        name: value
        for name, value in trainer.items()
        if name not in NOT_TAKEN and value is not None and not resolved_later(value)
    }
    devices = plain.pop("devices", None)
    count = len(devices) if isinstance(devices, list) else devices
    if isinstance(count, str) and count.isdigit():
        count = int(count)
    if type(count) is int and count > 0:
        plain["devices"] = count
    if type(epochs := plain.get("max_epochs")) is int and epochs < 1:
        del plain["max_epochs"]
    return plain


def _logger(given: Any) -> dict[str, Any] | None:
    """The section ``[logger]`` for the logger of a trainer. None: it has none, or leaves the choice to Lightning.

    The version is left out: each trial is one run of the logger, and is named after the trial.
    """
    loggers = given if isinstance(given, list) else [given]
    if len(loggers) > 1:
        hint = "the configuration has several loggers, and a trial has one; name it in [logger] (class_path, init_args)"
        raise UserError(Mistake("config.trainer.logger", len(loggers), hint))
    if not loggers or isinstance(loggers[0], bool) or loggers[0] is None:
        return None
    if resolved_later(loggers[0]):
        hint = "has values that are known only when LightningCLI reads it; write it in [logger] (class_path, init_args)"
        raise UserError(Mistake("config.trainer.logger", loggers[0], hint))
    spec: dict[str, Any] = {"class_path": loggers[0]} if isinstance(loggers[0], str) else dict(loggers[0])
    path = str(spec.get("class_path"))
    init_args = {key: value for key, value in (spec.get("init_args") or {}).items() if value is not None}
    init_args.pop("version", None)
    return {"class_path": path if "." in path else f"lightning.pytorch.loggers.{path}", "init_args": init_args}


def resolved_later(value: Any) -> bool:
    """Whether it contains ``${key}``, which the project's parser resolves (``parser_mode="omegaconf"``)."""
    if isinstance(value, dict | list):
        return any(map(resolved_later, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "${" in value


def _names_class(model: Any) -> bool:
    return isinstance(model, str) or (isinstance(model, dict) and isinstance(model.get("class_path"), str))


def sampled_keywords(space: dict[str, Any]) -> dict[str, Any]:
    """The sampled keyword arguments of the Trainer that are keys of a configuration: ``trainer.gradient_clip_val``."""
    config = space.get("config")
    config = config if isinstance(config, dict) else {}
    names = [name.partition(".") for name in config]
    return {name: config[f"trainer.{name}"] for outer, _, name in names if outer == "trainer" and "." not in name}


def check_sampled(declared: dict[str, Any]) -> list[Mistake]:
    """Finds sections of a study of a configuration that have no effect, or that belong into ``[space.config]``."""
    space = declared.get("space")
    space = space if isinstance(space, dict) else {}
    if declared.get("config") is None:
        hint = "there is no [config] that takes it; write it in [space.model], [space.data] or [space.trainer]"
        return [Mistake("space.config", space["config"], hint)] if space.get("config") else []
    hint = "has no effect beside [config], which names the model and the data; remove one of the two"
    mistakes = [Mistake(key, declared[key], hint) for key in ("model", "data") if declared.get(key) is not None]
    for section in ("model", "data"):
        if space.get(section):
            hint = f'write it in [space.config], as in "{section}.init_args.NAME" = ...'
            mistakes.append(Mistake(f"space.{section}", space[section], hint))
    known = TrainerSpec.model_fields.keys() - {"max_epochs", "devices"}
    for name, parameter in sampled_keywords(space).items():
        if name in known:
            mistakes.append(
                Mistake(f"space.config.trainer.{name}", parameter, "cannot be sampled; write it in [trainer]")
            )
    return mistakes
