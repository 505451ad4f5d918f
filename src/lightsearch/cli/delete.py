"""``lightsearch delete``: deletes a study and its files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightsearch.cli.command import STUDY_HELP, Storage, console, study_name
from lightsearch.errors import UserError

if TYPE_CHECKING:
    from lightsearch.study.deletion import StudyParts


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = None,
) -> None:
    """Delete a study: its trials, its folder in studies/, its files in an object store. The study file stays."""
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url
    from lightsearch.study.deletion import delete, parts_of

    name, url, screen = study_name(study), storage_url(storage), console()
    opened = open_storage(url, create=False)
    parts = parts_of(opened, name)
    lines = _described(parts, url)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("--yes: there is no terminal in which to ask; give --yes to delete without a question")
        screen.print("\n".join(["this deletes", *lines]), markup=False, soft_wrap=True)
        typer.confirm(f"delete the study {name}?", abort=True)
    delete(parts, opened, url, name)
    screen.print("\n".join(["deleted", *lines]), markup=False, soft_wrap=True)
    kept = [path for path in (Path("studies") / f"{name}.toml", Path("reports") / name) if path.exists()]
    if kept:
        screen.print(f"stays     {', '.join(map(str, kept))}", markup=False, soft_wrap=True)


def _described(parts: StudyParts, url: str) -> list[str]:
    """What is deleted, one line each."""
    from lightsearch.credentials import redact
    from lightsearch.display.wording import counted

    lines = [f"storage   {counted(parts.n_trials, 'trial')} in {redact(url)}"]
    if parts.folder.is_symlink():
        lines.append(f"link      {parts.folder}; {parts.folder.readlink()}, to which it leads, stays")
    elif parts.folder.exists():
        files = [file for file in parts.folder.rglob("*") if file.is_file() and not file.is_symlink()]
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        lines.append(f"folder    {parts.folder} ({counted(len(files), 'file')}, {megabytes:.1f} MB)")
    if parts.artifacts is not None:
        where = redact(parts.artifacts) if "://" in parts.artifacts else parts.artifacts
        lines.append(f"artifacts {where}")
    return lines
