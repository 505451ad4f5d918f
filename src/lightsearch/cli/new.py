"""``lightsearch new``: a study file for a class of your own."""

from __future__ import annotations

from typing import Annotated

import typer

from lightsearch.cli.command import console, study_path
from lightsearch.errors import Mistake, UserError


def main(
    model: Annotated[
        str, typer.Option(help="The LightningModule: package.module.Class, installed or in a file in studies/.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="The LightningDataModule, in the same form (else the model's loaders, or ImageData)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The study's name (else the model's).")] = None,
) -> None:
    """Write a study file for a class of your own. Arguments with well-known names get ranges."""
    from lightsearch.declare.sections import ClassSpec
    from lightsearch.declare.study_file import checked_name

    study = name or model.rpartition(".")[2].lower()
    try:
        path = study_path(checked_name(study))
    except ValueError as error:
        raise UserError(Mistake("--name", study, str(error))) from None
    if path.exists():
        raise UserError(Mistake("--name", study, f"{path} exists; choose another name"))
    screen = console()
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
    text = propose(model_class, data_class, name=study, file=str(path), known=known)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    screen.print(f"\n{text}\nwritten to {path}; check it, then", markup=False, soft_wrap=True)
    screen.print(f"  lightsearch run --study {path} --n-trials 20", markup=False, soft_wrap=True)
