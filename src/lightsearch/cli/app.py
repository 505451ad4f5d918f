"""The command ``lightsearch``: every command of ``COMMANDS`` as a subcommand."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated

import typer

from lightsearch import __version__
from lightsearch.cli import COMMANDS
from lightsearch.cli.command import HINT
from lightsearch.errors import UserError, as_unavailable
from lightsearch.machine.slurm import hide_task


def main() -> None:
    """What ``lightsearch`` runs after an installation."""
    # A console script does not find the modules of the working directory, as `python -m` does.
    if "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109  (as it is in sys.path)
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    run(*sys.argv[1:])


def run(*arguments: str) -> None:
    """Runs a command, and exits.

    The exit status is 2 for a user's mistakes, which are printed one per line, 1 for an unavailable resource, and 141
    for a reader that closed the pipe.

    Args:
        arguments: The name of a command, its options and its arguments.
    """
    try:
        with hide_task():
            _app()(list(arguments) or ["--help"], prog_name="lightsearch")
    except UserError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `... | head` reads a few lines only
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        reason = as_unavailable(error)
        if reason is None:
            raise
        print(f"{reason}; {HINT}", file=sys.stderr)
        sys.exit(1)


def _app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_lightsearch)
    for name, purpose in COMMANDS.items():
        command = importlib.import_module(f"lightsearch.cli.{name}").main
        app.command(name, short_help=purpose)(command)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        print(f"lightsearch {__version__}")
        raise typer.Exit


def _lightsearch(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hyperparameter search for PyTorch Lightning on Optuna."""
