"""``lightsearch new``: a study file for a class of your own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lightsearch.cli.command import console, study_path
from lightsearch.errors import Mistake, UserError


def main(
    model: Annotated[
        str | None,
        typer.Option(help="The LightningModule: package.module.Class, installed or in a file in studies/."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="The LightningDataModule, in the same form (else the model's loaders, or ImageData)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The study's name (else the model's).")] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(help="Instead of the classes: the configuration of a LightningCLI project (may be repeated)."),
    ] = None,
    cli: Annotated[
        str | None,
        typer.Option(help="What calls LightningCLI(...): main.py, or package.module.function."),
    ] = None,
) -> None:
    """Write a study file for a class, or a LightningCLI project. Arguments with well-known names get ranges."""
    if config:
        _of_config(config, cli, name, model or data)
        return
    if model is None:
        hint = "name the LightningModule (package.module.Class), or a LightningCLI configuration: --config config.yaml"
        raise UserError(Mistake("--model", None, hint))
    if cli is not None:
        raise UserError(Mistake("--cli", cli, "has no effect without --config config.yaml"))
    _of_classes(model, data, name)


def _of_classes(model: str, data: str | None, name: str | None) -> None:
    from lightsearch.declare.sections import ClassSpec

    study = name or model.rpartition(".")[2].lower()
    path, screen = _new_path(study), console()
    screen.print("loading PyTorch and the classes ...")

    from pydantic import ValidationError

    from lightsearch.compat.lightning_package import overrides
    from lightsearch.data import ImageData
    from lightsearch.declare.arguments import data_context
    from lightsearch.declare.classes import find_class
    from lightsearch.declare.starter_file import propose

    def found(field: str, given: str) -> type:
        try:
            return find_class(ClassSpec(class_path=given), field)
        except ValidationError:
            raise UserError(Mistake(f"--{field}", given, "write package.module.Class")) from None

    model_class, data_class = found("model", model), None
    known = set(data_context(0, "."))
    if data is not None or not overrides(model_class, "train_dataloader"):
        data_class = found("data", data or "lightsearch.data.ImageData")
        if issubclass(data_class, ImageData):
            known |= {"in_features", "num_classes"}
    text = propose(model_class, data_class, name=study, known=known)
    _write(path, study, text)


def _of_config(files: list[str], cli: str | None, name: str | None, class_path: str | None) -> None:
    """Writes the study file of a LightningCLI project."""
    from lightsearch.declare.config_starter import propose_for_config

    if class_path is not None:
        raise UserError(Mistake("--model", class_path, "the configuration names the classes; leave it out"))
    for file in files:
        if not Path(file).is_file():
            raise UserError(Mistake("--config", file, "no such file"))
    study = name or re.sub(r"[^A-Za-z0-9_-]+", "-", Path(files[0]).stem).strip("-") or "config"
    path = _new_path(study)
    console().print("loading PyTorch and the project ...")

    from lightsearch.preflight.blame import as_mistake
    from lightsearch.training.lightning_cli import built_config

    try:
        built, several = built_config(files, cli)
    except UserError:
        raise
    except Exception as error:  # of the project's own code
        raise UserError(as_mistake(error, "--config", files[0])) from None
    text = propose_for_config(built, files=files, cli=cli, name=study, has_logger=several)
    _write(path, study, text)


def _new_path(study: str) -> Path:
    """The path of a new study file.

    Raises:
        UserError: if the name is not allowed, or the file exists.
    """
    from lightsearch.declare.study_file import checked_name

    try:
        path = study_path(checked_name(study))
    except ValueError as error:
        raise UserError(Mistake("--name", study, str(error))) from None
    if path.exists():
        raise UserError(Mistake("--name", study, f"{path} exists; choose another name"))
    return path


def _write(path: Path, study: str, text: str) -> None:
    """Writes a study file and shows it."""
    screen = console()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    screen.print(f"\n{text}\nwritten to {path}; check it, then", markup=False, soft_wrap=True)
    screen.print(f"  lightsearch run --study {study} --n-trials 20", markup=False, soft_wrap=True)
