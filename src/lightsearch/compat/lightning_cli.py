"""LightningCLI of either Lightning package, taken over while a project's own code calls it.

Read in pytorch-lightning 2.6.6 and jsonargparse 4.53.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from lightsearch.compat.lightning_package import NAMES

ON_ANY_MACHINE: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "precision": None,
    "plugins": None,
}
"""Keyword arguments with which a Trainer can be created wherever it is."""


class Built(BaseException):
    """LightningCLI has built everything. It ends the project's code, which would train next.

    It is no ``Exception``, because a project may catch those.
    """


@dataclass
class Capture:
    """What a LightningCLI has built."""

    model: Any = None
    """The LightningModule, with the ``configure_optimizers`` that LightningCLI attaches."""
    data: Any = None
    """The LightningDataModule; None: the model has loaders of its own."""
    trainer_keywords: dict[str, Any] = field(default_factory=dict)
    """The keyword arguments with which it creates the Trainer, objects included, without the callbacks."""
    callbacks: list[Any] = field(default_factory=list)
    """The callbacks of the Trainer, those of the project's own code included."""
    trainer_class: Any = None
    """What it creates the Trainer with."""
    model_arguments: dict[str, Any] = field(default_factory=dict)
    """The model's constructor arguments."""
    dump: Callable[[], str] = str
    """Returns the whole configuration as YAML, with all defaults and without the targets of links."""


@contextlib.contextmanager
def captured(
    content: str,
    building_data: Callable[[], AbstractContextManager[None]],
    parsing: Callable[[], AbstractContextManager[None]],
) -> Iterator[Capture]:
    """Within the context, LightningCLI takes a configuration instead of the command line, and trains nothing.

    The first LightningCLI that is built ends the context.

    Args:
        content: The configuration as YAML, without the level of the subcommand. It is parsed as a file of ``--config``.
        building_data: A context in which the data module is built.
        parsing: A context in which the configuration is parsed.
    """
    capture = Capture()
    with contextlib.ExitStack() as patches:
        for name in NAMES:
            module = importlib.import_module(f"{name}.cli")
            for patch in [*_patches(module, capture, content, building_data), _parsing_in(module, parsing)]:
                patches.enter_context(patch)
        patches.enter_context(_default_settings())
        with contextlib.suppress(Built):
            yield capture


def lightning_cli(lightning: Any) -> Any:
    """LightningCLI of one of the Lightning packages."""
    return importlib.import_module(f"{lightning.__name__}.cli").LightningCLI


def _patches(
    module: Any, capture: Capture, content: str, building_data: Callable[[], AbstractContextManager[None]]
) -> list[Any]:
    """Replacements of methods of LightningCLI, which apply to its subclasses too."""
    cli = module.LightningCLI
    init, init_parser, instantiate_trainer = cli.__init__, cli.init_parser, cli._instantiate_trainer
    instantiate = module._InstantiatorFn.__call__

    @functools.wraps(init)
    def built(self: Any, *args: Any, **keywords: Any) -> None:
        given = inspect.signature(init).bind(self, *args, **keywords)
        subcommand = ["fit"] if given.arguments.get("run", True) else []
        given.arguments["args"] = [*subcommand, "--config", content]
        given.arguments["save_config_callback"] = None
        init(*given.args, **given.kwargs)
        _end(self, capture)

    @functools.wraps(init_parser)
    def raising_parser(self: Any, **keywords: Any) -> Any:
        return init_parser(self, **{**keywords, "exit_on_error": False})

    @functools.wraps(instantiate_trainer)
    def recorded(self: Any, config: dict[str, Any], callbacks: list[Any]) -> Any:
        capture.trainer_class = own = self.trainer_class

        def trainer_class(**keywords: Any) -> Any:
            capture.callbacks = list(keywords.get("callbacks") or [])  # a Trainer adds its own to the list
            capture.trainer_keywords = {name: value for name, value in keywords.items() if name != "callbacks"}
            # For the hooks of the project that look at it. It trains nothing.
            dummy = importlib.import_module(_loggers(module)).DummyLogger()
            return own(**{**keywords, **ON_ANY_MACHINE, "logger": dummy})

        self.trainer_class = functools.update_wrapper(trainer_class, own, updated=())
        try:
            return instantiate_trainer(self, config, callbacks)
        finally:
            self.trainer_class = own

    @functools.wraps(instantiate)
    def instantiated(self: Any, class_type: Any, *args: Any, **keywords: Any) -> Any:
        if self.key == "model":
            capture.model_arguments = {
                name: value for name, value in keywords.items() if name != "applied_instantiation_links"
            }
        with building_data() if self.key == "data" else contextlib.nullcontext():
            return instantiate(self, class_type, *args, **keywords)

    return [
        mock.patch.object(cli, "__init__", built),
        mock.patch.object(cli, "init_parser", raising_parser),
        mock.patch.object(cli, "_instantiate_trainer", recorded),
        mock.patch.object(cli, "_run_subcommand", lambda self, subcommand: _end(self, capture)),  # noqa: ARG005
        mock.patch.object(module._InstantiatorFn, "__call__", instantiated),
    ]


def _parsing_in(module: Any, parsing: Callable[[], AbstractContextManager[None]]) -> Any:
    parse_arguments = module.LightningCLI.parse_arguments

    @functools.wraps(parse_arguments)
    def parsed(self: Any, *args: Any, **keywords: Any) -> None:
        with parsing():
            parse_arguments(self, *args, **keywords)

    return mock.patch.object(module.LightningCLI, "parse_arguments", parsed)


def _loggers(module: Any) -> str:
    return str(module.__name__).removesuffix(".cli") + ".loggers.logger"


def _end(cli: Any, capture: Capture) -> None:
    subcommand = cli.subcommand
    capture.model, capture.data = cli.model, cli.datamodule
    parser = cli._parser(subcommand)
    config = cli.config if subcommand is None else cli.config[subcommand]
    capture.dump = functools.partial(parser.dump, config, skip_none=False, skip_validation=True)
    raise Built


@contextlib.contextmanager
def _default_settings() -> Iterator[None]:
    """jsonargparse as LightningCLI finds it in a process of its own.

    lightsearch's settings for study files are stricter; see ``declare.nested``.
    """
    common = importlib.import_module("jsonargparse._common")
    settings = common.parsing_settings
    before = dict(settings)
    settings["instantiate_subclass_spec_in_any"] = None
    settings["import_path_verdicts"] = dict.fromkeys(common.default_import_path_denylist, False)
    settings["import_paths_enforced"] = False
    try:
        yield
    finally:
        settings.clear()
        settings.update(before)
