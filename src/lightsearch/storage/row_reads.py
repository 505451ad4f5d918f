"""Reads many trials at once, ten times as fast as Optuna's database storage.

Optuna's storage makes an SQLAlchemy object of every row, including parameters and epochs, and parses the JSON of a
distribution twice for every parameter. With a thousand running trials, one look at them reads ten thousand rows.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Container
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import or_, select
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
        trial = tables.TrialModel
        chosen: list[ColumnElement[bool]] = [trial.study_id == study_id]
        if states is not None:
            chosen.append(trial.state.in_([state for state in TrialState if state in states]))
        if trial_id_greater_than > -1:
            late = trial.trial_id > trial_id_greater_than
            ids = {trial_id for trial_id in included_trial_ids if trial_id <= trial_id_greater_than}
            chosen.append(or_(trial.trial_id.in_(ids), late) if ids else late)
        with tables.session_of(self) as session:
            tables.StudyModel.find_or_raise_by_id(study_id, session)
            return _read(session, chosen)

    def read_trials_by_id(self, study_id: int, trial_ids: Collection[int]) -> list[FrozenTrial]:
        """Reads some trials of a study, ordered by their ids."""
        return self.read_trials(study_id, None, set(trial_ids), LAST_ID)

    def read_study_system_attr(self, study_id: int, key: str) -> Any:
        """Reads one system attribute of a study: one row by its index; None if the study does not have it."""
        attribute = tables.StudySystemAttributeModel
        chosen = select(attribute.value_json).where(attribute.study_id == study_id, attribute.key == key)
        with tables.session_of(self) as session:
            text = session.execute(chosen).scalar_one_or_none()
        return None if text is None else json.loads(text)


def _read(session: Session, chosen: list[ColumnElement[bool]]) -> list[FrozenTrial]:
    trial = tables.TrialModel
    columns = (trial.trial_id, trial.number, trial.state, tables.STARTED_UTC, tables.COMPLETED_UTC)
    rows = session.execute(select(*columns).where(*chosen).order_by(trial.trial_id)).all()

    def parts(model: Any, *names: str) -> dict[int, list[Any]]:
        """Rows of a table by their trials' ids, in the order in which they were written."""
        if not rows:
            return {}
        (key,) = model.__table__.primary_key
        query = select(model.trial_id, *(getattr(model, name) for name in names)).where(*chosen)
        found: dict[int, list[Any]] = defaultdict(list)
        for trial_id, *part in session.execute(query.join(trial, trial.trial_id == model.trial_id).order_by(key)):
            found[trial_id].append(part)
        return found

    params = parts(tables.TrialParamModel, "param_name", "param_value", "distribution_json")
    values = parts(tables.TrialValueModel, "objective", "value", "value_type")
    user_attrs = parts(tables.TrialUserAttributeModel, "key", "value_json")
    system_attrs = parts(tables.TrialSystemAttributeModel, "key", "value_json")
    reports = parts(tables.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type")
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
