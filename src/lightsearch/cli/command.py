"""What all commands share: start and exit status, common options, the study's name, common output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lightsearch.errors import Mistake, UserError, as_unavailable
from lightsearch.machine.slurm import hide_task

HINT = "fix that, and give the same command again"
"""What to do if a resource was unavailable."""

STUDY_HELP = "The study's name, or its file (studies/NAME.toml)."
Storage = Annotated[
    str | None,
    typer.Option(help="SQLAlchemy URL of the storage (else LIGHTSEARCH_STORAGE, else sqlite:///studies/studies.db)."),
]
DataDir = Annotated[
    str | None,
    typer.Option("--data-dir", help="Folder of the data files (else LIGHTSEARCH_DATA, else ./data).", metavar="DIR"),
]


def run(command: Callable[..., Any], name: str) -> None:
    """Runs a command, and exits.

    The exit status is 2 for a user's mistakes, which are printed one per line, 1 for an unavailable resource, and 141
    for a reader that closed the pipe.

    Args:
        command: A function whose parameters are the options.
        name: The command's name, for its usage line.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(command)
    try:
        with hide_task():
            app(prog_name=f"python -m search.{name}")
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


def console() -> Console:
    """The terminal, or a file or pipe, whose lines are not wrapped."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=200)


def print_findings(screen: Console, study: Any, *, before: str = "") -> None:
    """Prints the findings of a study, one per line, with ``before`` in front if there are any."""
    from lightsearch.report.diagnostics.diagnose import diagnose

    findings = diagnose(study)
    if findings:
        screen.print(before, end="")
    for finding in findings:
        screen.print(f"note      {finding}", markup=False, soft_wrap=True)


def print_test_count(screen: Console, evaluation: Any) -> None:
    """Prints how often the study's test set was used, if that is more than once."""
    if evaluation.ordinal > 1:
        screen.print(
            f"\nThis is evaluation number {evaluation.ordinal} of this study's test set. "
            "If you choose a model by its test result, that result is no longer unbiased.",
            soft_wrap=True,
        )


def study_path(study: str) -> Path:
    """The study file of ``--study``: a path as it is, or ``studies/NAME.toml`` for a name."""
    from lightsearch.declare.reading import add_study_folder_to_path

    path = Path(study) if study.endswith(".toml") else Path("studies") / f"{study}.toml"
    add_study_folder_to_path(path)
    return path


def study_name(study: str) -> str:
    """The study's name of ``--study``: a name as it is, or the name in a file.

    Raises:
        UserError: if it is not a safe name.
    """
    from lightsearch.declare.reading import read_declaration
    from lightsearch.declare.study_file import checked_name

    study_path(study)
    name = read_declaration(Path(study), []).get("name", study) if study.endswith(".toml") else study
    try:
        return checked_name(str(name))
    except ValueError as error:
        raise UserError(Mistake("--study", name, str(error))) from None


def data_dir(option: str | None) -> str | None:
    """The absolute path of the folder of the data files. None: not named; the data class has its own default."""
    named = option or os.environ.get("LIGHTSEARCH_DATA")
    return str(Path(named).absolute()) if named else None
