"""``lightsearch export``: the configuration of a trial, as ``main.py fit --config`` takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightsearch.cli.command import STUDY_HELP, Storage, console, study_name
from lightsearch.errors import Mistake, UserError


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)],
    trial: Annotated[int | None, typer.Option(min=0, help="This trial instead of the best one.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file (else NAME-trial-N.yaml).")] = None,
    storage: Storage = None,
) -> None:
    """Write the best trial's configuration, for LightningCLI: python main.py fit --config FILE."""
    from lightsearch.atomic_files import write_text
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url
    from lightsearch.study.exported_config import exported_config
    from lightsearch.study.stored import find_study

    name, screen = study_name(study), console()
    found = exported_config(find_study(open_storage(storage_url(storage), create=False), name), trial)
    path = output or Path(f"{name}-trial-{found.trial}.yaml")
    if not path.parent.is_dir():
        raise UserError(Mistake("--output", str(path), "its folder does not exist; name a file in one that does"))
    write_text(path, found.text)
    screen.print(f"trial {found.trial} of {name}, {found.values}", markup=False, soft_wrap=True)
    screen.print(f"written to {path}; train with it:", markup=False, soft_wrap=True)
    screen.print(f"  {found.command} --config {path}", markup=False, soft_wrap=True)
    screen.print("  (without the word fit if the project calls LightningCLI with run=False)")
