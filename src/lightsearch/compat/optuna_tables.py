"""Optuna's database tables, and the private methods by which its database storage reads and makes trials.

Read in Optuna 5.0.0.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Container, Mapping
from contextlib import AbstractContextManager
from typing import Any

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
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
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
    "set_attrs",
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


def set_attrs(
    session: Session,
    model: type[TrialUserAttributeModel | TrialSystemAttributeModel],
    trial_id: int,
    attrs: Mapping[str, Any],
) -> None:
    """Writes attributes of a trial within a transaction. Those that it has are replaced."""
    rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]
    if rows:
        connection = session.connection()
        connection.execute(_upsert(model.__table__, connection.dialect.name), rows)


@functools.cache
def _upsert(table: Table, dialect: str) -> Any:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    replaced = {"value_json": insert.excluded.value_json}
    return insert.on_conflict_do_update(index_elements=["trial_id", "key"], set_=replaced)


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

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> TrialModel:
        """Adds a trial as Optuna does, which sends two statements for every attribute."""
        if template_trial is None:
            return super()._get_prepared_new_trial(study_id, None, session)
        bare = copy.copy(template_trial)
        bare.user_attrs, bare.system_attrs = {}, {}
        trial = super()._get_prepared_new_trial(study_id, bare, session)
        set_attrs(session, TrialUserAttributeModel, int(trial.trial_id), template_trial.user_attrs)
        set_attrs(session, TrialSystemAttributeModel, int(trial.trial_id), template_trial.system_attrs)
        return trial
