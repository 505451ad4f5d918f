"""Reads many trials at once, ten times as fast as Optuna's database storage.

Optuna's storage makes an SQLAlchemy object of every row, including parameters and epochs, and parses the JSON of a
distribution twice for every parameter. With a thousand running trials, one look at them reads ten thousand rows. The
statements are made once: making one takes longer than the database does.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Container
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from lightsearch.compat import optuna_tables as tables

LAST_ID = 2**31 - 1
"""No trial has a greater id: this is the last one of PostgreSQL's ``integer``."""

_distribution: Callable[[str], BaseDistribution] = functools.lru_cache(maxsize=4096)(json_to_distribution)


class RowReadingStorage(tables.DatabaseStorage):
    """Optuna's database storage, which reads trials by the row."""

    def read_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        chosen = {
            "study": study_id,
            "states": [state for state in TrialState if states is None or state in states],
            "ids": [trial_id for trial_id in included_trial_ids if trial_id <= trial_id_greater_than],
            "after": trial_id_greater_than,
        }
        with tables.session_of(self) as session:
            tables.StudyModel.find_or_raise_by_id(study_id, session)
            return _read(session, OF_STUDY, chosen)

    def read_trials_by_id(self, study_id: int, trial_ids: Collection[int]) -> list[FrozenTrial]:
        """Reads some trials of a study, ordered by their ids."""
        return self.read_trials(study_id, None, set(trial_ids), LAST_ID)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with tables.session_of(self) as session:
            found = _read(session, ONE, {"id": trial_id})
        if not found:
            raise KeyError(f"no trial has the id {trial_id}")
        return found[0]

    def read_study_system_attr(self, study_id: int, key: str) -> Any:
        """Reads one system attribute of a study: one row by its index; None if the study does not have it."""
        attribute = tables.StudySystemAttributeModel
        chosen = select(attribute.value_json).where(attribute.study_id == study_id, attribute.key == key)
        with tables.session_of(self) as session:
            text = session.execute(chosen).scalar_one_or_none()
        return None if text is None else json.loads(text)


class _Statements(NamedTuple):
    """What reads trials: their own rows, ordered by their ids, and those of other tables in the order of writing."""

    trials: Select[Any]
    params: Select[Any]
    values: Select[Any]
    user_attrs: Select[Any]
    system_attrs: Select[Any]
    reports: Select[Any]


def _statements(*chosen: ColumnElement[bool]) -> _Statements:
    trial = tables.TrialModel
    columns = (trial.trial_id, trial.number, trial.state, tables.STARTED_UTC, tables.COMPLETED_UTC)

    def parts(model: Any, *names: str) -> Select[Any]:
        (key,) = model.__table__.primary_key
        query = select(model.trial_id, *(getattr(model, name) for name in names)).where(*chosen)
        return query.join(trial, trial.trial_id == model.trial_id).order_by(key)

    return _Statements(
        select(*columns).where(*chosen).order_by(trial.trial_id),
        parts(tables.TrialParamModel, "param_name", "param_value", "distribution_json"),
        parts(tables.TrialValueModel, "objective", "value", "value_type"),
        parts(tables.TrialUserAttributeModel, "key", "value_json"),
        parts(tables.TrialSystemAttributeModel, "key", "value_json"),
        parts(tables.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type"),
    )


ONE = _statements(tables.TrialModel.trial_id == bindparam("id"))

OF_STUDY = _statements(
    tables.TrialModel.study_id == bindparam("study"),
    tables.TrialModel.state.in_(bindparam("states", expanding=True)),
    or_(
        tables.TrialModel.trial_id > bindparam("after"),
        tables.TrialModel.trial_id.in_(bindparam("ids", expanding=True)),
    ),
)


def _read(session: Session, statements: _Statements, chosen: dict[str, Any]) -> list[FrozenTrial]:
    connection = session.connection()  # a session would look for objects in each row
    rows = connection.execute(statements.trials, chosen).all()

    def parts(query: Select[Any]) -> dict[int, list[Any]]:
        """Rows of a table by their trials' ids."""
        found: dict[int, list[Any]] = defaultdict(list)
        for trial_id, *part in connection.execute(query, chosen) if rows else ():
            found[trial_id].append(part)
        return found

    params, values = parts(statements.params), parts(statements.values)
    user_attrs, system_attrs = parts(statements.user_attrs), parts(statements.system_attrs)
    reports = parts(statements.reports)
    final = tables.TrialValueModel.stored_repr_to_value
    reported = tables.TrialIntermediateValueModel.stored_repr_to_intermediate_value
    return [
        FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=[final(value, kind) for _, value, kind in sorted(values.get(trial_id, []))] or None,
            datetime_start=_local(start),
            datetime_complete=_local(end),
            params={
                name: _distribution(text).to_external_repr(value) for name, value, text in params.get(trial_id, [])
            },
            distributions={name: _distribution(text) for name, _, text in params.get(trial_id, [])},
            user_attrs={key: json.loads(text) for key, text in user_attrs.get(trial_id, [])},
            system_attrs={key: json.loads(text) for key, text in system_attrs.get(trial_id, [])},
            intermediate_values={step: reported(value, kind) for step, value, kind in reports.get(trial_id, [])},
            trial_id=trial_id,
        )
        for trial_id, number, state, start, end in rows
    ]


def _local(utc: datetime.datetime | None) -> datetime.datetime | None:
    """Optuna's trials have local times; its tables have UTC."""
    return utc and utc.replace(tzinfo=datetime.UTC).astimezone().replace(tzinfo=None)
