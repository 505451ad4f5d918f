"""The commands and their options, from the commands themselves."""

from __future__ import annotations

import importlib
from typing import Any

import typer

from lightsearch.cli import COMMANDS


def markdown() -> str:
    """A section per command."""
    return "\n\n".join(_section(name) for name in COMMANDS)


def parser_of(name: str) -> Any:
    """The command of this name as Typer parses it."""
    app = typer.Typer(add_completion=False)
    app.command()(importlib.import_module(f"lightsearch.cli.{name}").main)
    return typer.main.get_command(app)


def _section(name: str) -> str:
    command = parser_of(name)
    lines = [f"## lightsearch {name}", "", str(command.help)]
    lines += ["", "| option | what it does | default |", "| --- | --- | --- |"]
    lines += [_row(one) for one in command.params if one.name != "help" and not one.hidden]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    names = (
        ", ".join(parameter.opts) if parameter.opts[0].startswith("-") else parameter.metavar or parameter.name.upper()
    )
    default = getattr(parameter.default, "value", parameter.default)
    shown = "" if default in (None, []) or default is False or callable(default) else f"`{default}`"
    return f"| `{names}` | {_cell(parameter.help or '')} | {shown} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
