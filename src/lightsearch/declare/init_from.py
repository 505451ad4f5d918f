"""``init_from``: a checkpoint whose weights every trial starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from lightsearch.atomic_files import file_digest
from lightsearch.declare.sections import StrictModel
from lightsearch.errors import Mistake


class InitFrom(StrictModel):
    """A checkpoint of Lightning, or a ``state_dict`` that ``torch.save`` wrote."""

    path: str
    """The file, relative to the study file or else to the working directory."""
    strict: bool = True
    """Whether names and shapes of all weights are those of the model. Otherwise, those that differ are left out."""
    sha256: str | None = None
    """The digest of the file. A study is continued with the same weights, wherever the file is."""


def _as_table(given: object) -> object:
    return {"path": given} if isinstance(given, str) else given


InitFromSpec = Annotated[InitFrom | None, BeforeValidator(_as_table)]
"""``init_from = "pretrained.ckpt"``, or ``init_from = { path = "pretrained.ckpt", strict = false }``."""


def located(declared: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The declaration with an absolute path in ``init_from``, and with the digest of the file.

    Args:
        declared: The content of a study file. Invalid parts are left to its validation.
        folder: The path is relative to this folder if it has such a file, otherwise to the working directory.
    """
    given = _as_table(declared.get("init_from"))
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        return declared
    for path in (folder / given["path"], Path(given["path"])):
        if (digest := _digest(path)) is not None:
            return {**declared, "init_from": {"sha256": digest, **given, "path": str(path.absolute())}}
    return {**declared, "init_from": given}


def check_init_from(declared: dict[str, Any]) -> list[Mistake]:
    """Checks that the file of ``init_from`` exists and has its digest.

    Args:
        declared: The content of a study file, from ``located``.
    """
    given = declared.get("init_from")
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        return []
    digest = _digest(Path(given["path"]))
    if digest is None:
        hint = "no such file that can be read; write its path relative to the study file or to the working directory"
        return [Mistake("init_from", given["path"], hint)]
    if given.get("sha256") not in (None, digest):
        return [Mistake("init_from", given["path"], f"its content has changed: its sha256 is not {given['sha256']}")]
    return []


def _digest(path: Path) -> str | None:
    """The digest of a file; None if it cannot be read."""
    try:
        return file_digest(path) if path.is_file() else None
    except OSError:
        return None
