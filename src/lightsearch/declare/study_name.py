"""A study by its name, or by its file."""

from __future__ import annotations

from pathlib import Path

from lightsearch.declare.reading import add_study_folder_to_path, read_declaration
from lightsearch.errors import Mistake, UserError


def study_path(study: str) -> Path:
    """The study file: a path as it is, or ``studies/NAME.toml`` for a name. Modules next to it become importable."""
    path = Path(study) if study.endswith(".toml") else Path("studies") / f"{study}.toml"
    add_study_folder_to_path(path)
    return path


def study_name(study: str) -> str:
    """The study's name: a name as it is, or the name in a file.

    Raises:
        UserError: if it is not a safe name, or the file cannot be read.
    """
    from lightsearch.declare.study_file import checked_name  # it imports Optuna, which a path does not need

    study_path(study)
    name = read_declaration(Path(study), []).get("name", study) if study.endswith(".toml") else study
    try:
        return checked_name(str(name))
    except ValueError as error:
        raise UserError(Mistake("--study", name, str(error))) from None
