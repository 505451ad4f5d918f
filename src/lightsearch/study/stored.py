"""A study that is in the storage: found, and read back as a declaration."""

from __future__ import annotations

import optuna

from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study import creation
from lightsearch.study.origin import outcome_of as outcome_of


def find_study(storage: RetryingStorage, name: str) -> optuna.Study:
    """A study that is there.

    Raises:
        UserError: if it is not, or is not one of lightsearch's.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        there = ", ".join(creation.study_names(storage)) or "none"
        raise UserError(Mistake("--study", name, f"no such study in the storage; there are: {there}")) from None
    if "fingerprint" not in study.user_attrs:
        raise UserError(Mistake("--study", name, "is a study that lightsearch did not make"))
    return study


def check_has_model(study: optuna.Study) -> None:
    """Refuses what needs a model.

    Raises:
        UserError: if the study is of a function.
    """
    if "objective" in study.user_attrs["fingerprint"]:
        hint = "is of a function, and has no model to test; its results: python -m search.report --study"
        raise UserError(Mistake("--study", study.study_name, f"{hint} {study.study_name}"))


def declaration_of(study: optuna.Study) -> StudyFile:
    """The study file as far as it shapes results, from what is kept with the study."""
    return StudyFile.model_validate({"name": study.study_name, **study.user_attrs["fingerprint"]})
