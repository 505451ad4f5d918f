"""``lightsearch report``: tables, summaries and a page about a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightsearch.cli.command import STUDY_HELP, Storage, console, study_name


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    storage: Storage = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to (else reports/NAME).", metavar="DIR", show_default=False)
    ] = None,
) -> None:
    """Write a study's tables (CSV, Parquet), its summaries (JSON, Markdown) and its page (HTML)."""
    from lightsearch.report import check_output, write_report
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url

    name, url = study_name(study), storage_url(storage)
    folder = output if output is not None else Path("reports") / name
    check_output(folder)
    import optuna

    from lightsearch.errors import Mistake, UserError, did_you_mean

    opened = open_storage(url, create=False)
    known = optuna.get_all_study_names(opened)
    if name not in known:
        hint = f"no such study; {did_you_mean(name, known)}"
        raise UserError(Mistake("--study", name, hint))
    said = write_report(optuna.load_study(study_name=name, storage=opened), folder)
    screen = console()
    screen.print(said["headline"], markup=False, soft_wrap=True)
    screen.print(said["note"], markup=False, soft_wrap=True)
    screen.print(f"\nfindings   {said['findings']}, see summary.md", markup=False)
    screen.print(f"page       {folder.absolute() / 'report.html'}", markup=False, soft_wrap=True)
    screen.print(f"tables     {folder.absolute()}/trials.*, epochs.* (csv, parquet)", markup=False, soft_wrap=True)
