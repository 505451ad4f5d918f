"""A study in the storage: found, read back as a declaration, and compared with another declaration."""

from __future__ import annotations

from typing import Any

import optuna

from lightsearch.declare.from_python import with_script_classes
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.creation import study_names

INIT_FROM = "init_from"
"""The key of the checkpoint that trials start from. Its path may change within a study, its content may not."""


def find_study(storage: RetryingStorage, name: str) -> optuna.Study:
    """Loads an existing study.

    Raises:
        UserError: if it does not exist, or lightsearch did not make it.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(study_names(storage)) or "none"
        raise UserError(Mistake("--study", name, f"no such study in the storage; there are: {known}")) from None
    if "fingerprint" not in study.user_attrs:
        raise UserError(Mistake("--study", name, "is a study that lightsearch did not make"))
    return study


def check_has_model(study: optuna.Study) -> None:
    """Refuses a study that has no model.

    Raises:
        UserError: if the study is of a function.
    """
    if "objective" in study.user_attrs["fingerprint"]:
        hint = "is of a function, and has no model to test; its results: lightsearch report --study"
        raise UserError(Mistake("--study", study.study_name, f"{hint} {study.study_name}"))


def declaration_of(study: optuna.Study) -> StudyFile:
    """The part of a study's file that shapes results, as it is stored with the study."""
    return StudyFile.model_validate(stored_declaration(study))


def stored_declaration(study: optuna.Study) -> dict[str, Any]:
    """The content of a study file with what is stored of it with the study."""
    declared = {"name": study.study_name, **study.user_attrs["fingerprint"]}
    if INIT_FROM in declared:
        declared[INIT_FROM] = {**declared[INIT_FROM], "path": study.user_attrs["search"][INIT_FROM]}
    return with_script_classes(declared)


def differences(before: Any, after: Any, field: str = "") -> list[str]:
    """What differs between two JSON values, one line each: ``trainer.max_epochs: 30 in the study, 10 in the file``.

    Args:
        before: The stored value.
        after: The value of the study file.
        field: The name of what is compared; empty at the top.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        prefix = f"{field}." if field else ""
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{prefix}{key}")]
    if _tables(before) and _tables(after) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for index, (one, other) in pairs for line in differences(one, other, f"{field}[{index}]")]
    if before == after or (before != before and after != after):  # two NaN are equal here
        return []
    words = ["nothing" if value is None else repr(value) for value in (before, after)]
    return [f"{field}: {words[0]} in the study, {words[1]} in the file"]


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
