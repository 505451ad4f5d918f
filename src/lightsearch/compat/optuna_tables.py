"""Optuna's database tables, and the private method by which its database storage reads trials. Read in Optuna 5.0.0."""

from __future__ import annotations

from collections.abc import Container
from contextlib import AbstractContextManager

from optuna.storages import RDBStorage
from optuna.storages._rdb.models import (
    StudyModel,
    StudySystemAttributeModel,
    StudyUserAttributeModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

__all__ = [
    "COMPLETED_UTC",
    "STARTED_UTC",
    "DatabaseStorage",
    "StudyModel",
    "StudySystemAttributeModel",
    "StudyUserAttributeModel",
    "TrialIntermediateValueModel",
    "TrialModel",
    "TrialParamModel",
    "TrialSystemAttributeModel",
    "TrialUserAttributeModel",
    "TrialValueModel",
    "session_of",
]

STARTED_UTC = TrialModel._datetime_start_utc
"""The column with a trial's start, UTC without a time zone."""

COMPLETED_UTC = TrialModel._datetime_complete_utc
"""The column with a trial's end, likewise."""


def session_of(storage: RDBStorage) -> AbstractContextManager[Session]:
    """A transaction on a storage's database: committed at its end, rolled back after an error.

    Raises:
        IntegrityError: if a constraint of the tables is violated.
        StorageInternalError: if the database fails otherwise.
    """
    return _create_scoped_session(storage.scoped_session)


class DatabaseStorage(RDBStorage):
    """Optuna's database storage, with a public method that reads trials; subclasses may override it."""

    def read_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Reads trials of a study, ordered by their ids.

        Args:
            study_id: The study's id.
            states: States of the trials; all if None.
            included_trial_ids: Trials to read besides those with a greater id.
            trial_id_greater_than: Trials with a greater id are read; -1: all trials.

        Raises:
            KeyError: if there is no such study.
        """
        return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        return self.read_trials(study_id, states, included_trial_ids, trial_id_greater_than)
