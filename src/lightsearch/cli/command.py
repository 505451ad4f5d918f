"""What the commands share: common options, the study's name, common output."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

HINT = "fix that, and give the same command again"
"""What to do if a resource was unavailable."""

EXAMPLE = "studies/digits.toml"
"""The study file if none is named. Where it does not exist, the digits example of the package is searched."""

STUDY_HELP = "The study's name, or its file (studies/NAME.toml)."
Storage = Annotated[
    str | None,
    typer.Option(help="SQLAlchemy URL of the storage (else LIGHTSEARCH_STORAGE, else sqlite:///studies/studies.db)."),
]
DataDir = Annotated[
    str | None,
    typer.Option("--data-dir", help="Folder of the data files (else LIGHTSEARCH_DATA, else ./data).", metavar="DIR"),
]


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
        screen.print(_note(finding, screen), markup=False, soft_wrap=True)


def _note(finding: object, screen: Console) -> str:
    """A finding in a line; on a terminal, in lines that break at words and are indented."""
    width = screen.width if screen.is_terminal else sys.maxsize
    wrapper = textwrap.TextWrapper(
        width, subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return wrapper.fill(f"note      {finding}")


def print_test_count(screen: Console, evaluation: Any) -> None:
    """Prints how often the study's test set was used, if that is more than once."""
    if evaluation.ordinal > 1:
        screen.print(
            f"\nThis is evaluation number {evaluation.ordinal} of this study's test set. "
            "If you choose a model by its test result, that result is no longer unbiased.",
            soft_wrap=True,
        )


def study_path(study: str) -> Path:
    """The study file of ``--study``; see ``declare.study_name``, which takes time to import."""
    from lightsearch.declare.study_name import study_path

    return study_path(study)


def run_command(study: str, url: str, budget: str) -> str:
    """The command that runs a study up to a budget (``--n-trials 50``).

    A study whose file is not found by its name needs the file.
    """
    from lightsearch.storage.urls import study_options

    path = study_path(study)
    if path.exists() or path == Path(EXAMPLE):
        return f"lightsearch run {study_options(study, url)} {budget}"
    return f"lightsearch run {study_options('FILE', url)} --name {study} {budget}"


def study_name(study: str) -> str:
    """The study's name of ``--study``; see ``declare.study_name``.

    Raises:
        UserError: if it is not a safe name.
    """
    from lightsearch.declare.study_name import study_name

    return study_name(study)


def data_dir(option: str | None) -> str | None:
    """The absolute path of the folder of the data files. None: not named; the data class has its own default."""
    named = option or os.environ.get("LIGHTSEARCH_DATA")
    return str(Path(named).absolute()) if named else None
