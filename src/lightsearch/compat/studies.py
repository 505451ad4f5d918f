"""What Optuna's database storage cannot do: give a study another name, take a trial's parameters back. Optuna 5.0.0."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from sqlalchemy import delete, update


def rename(storage: RDBStorage, names: Mapping[int, str]) -> None:
    """Renames studies, in one transaction: all of them or, whatever happens, none.

    Studies are renamed in the order given, and can be renamed to what they are called already.

    Args:
        storage: Their storage.
        names: New names by the studies' ids.

    Raises:
        IntegrityError: if another study has such a name.
    """

    with _create_scoped_session(storage.scoped_session) as session:
        for study_id, name in names.items():
            study = models.StudyModel
            session.execute(update(study).where(study.study_id == study_id).values(study_name=name))


def forget_params(storage: RDBStorage, trial_id: int) -> None:
    """Takes a trial's parameters back, as if none had been sampled; those that it was enqueued with stay."""

    with _create_scoped_session(storage.scoped_session) as session:
        session.execute(delete(models.TrialParamModel).where(models.TrialParamModel.trial_id == trial_id))
