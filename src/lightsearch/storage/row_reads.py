"""Reads many trials at once, ten times as fast as Optuna's storage, and corrects what Optuna takes for settled.

Optuna's has SQLAlchemy make an object for every row, parameters and epochs included, and parses a distribution's JSON
twice for every parameter. With a thousand trials running, whoever asks what became of them reads ten thousand rows.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import delete, or_, select, update
from sqlalchemy.sql import ColumnElement

_distribution: Callable[[str], BaseDistribution] = functools.lru_cache(maxsize=4096)(json_to_distribution)


class RowReadingStorage(RDBStorage):
    """Optuna's storage, which reads trials by the row."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        trial = models.TrialModel
        chosen: list[ColumnElement[bool]] = [trial.study_id == study_id]
        if states is not None:
            chosen.append(trial.state.in_([state for state in TrialState if state in states]))
        if trial_id_greater_than > -1:
            late = trial.trial_id > trial_id_greater_than
            ids = {trial_id for trial_id in included_trial_ids if trial_id <= trial_id_greater_than}
            chosen.append(or_(trial.trial_id.in_(ids), late) if ids else late)
        with _create_scoped_session(self.scoped_session) as session:
            models.StudyModel.find_or_raise_by_id(study_id, session)
            return _read(session, chosen)

    def replace_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Replaces an attribute of a trial, one that has ended too, whose attributes Optuna takes for settled."""
        attribute = models.TrialUserAttributeModel
        with _create_scoped_session(self.scoped_session) as session:
            chosen = update(attribute).where(attribute.trial_id == trial_id, attribute.key == key)
            session.execute(chosen.values(value_json=json.dumps(value)))

    def delete_intermediate_values(self, trial_id: int, steps: Sequence[int]) -> None:
        """Deletes what a running trial has reported for some steps, for which Optuna has no way."""
        reported = models.TrialIntermediateValueModel
        with _create_scoped_session(self.scoped_session) as session:
            trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, session)
            self.check_trial_is_updatable(trial_id, trial.state)
            session.execute(delete(reported).where(reported.trial_id == trial_id, reported.step.in_(steps)))


def _read(session: Any, chosen: list[ColumnElement[bool]]) -> list[FrozenTrial]:
    trial = models.TrialModel
    started, completed = trial._datetime_start_utc, trial._datetime_complete_utc
    columns = (trial.trial_id, trial.number, trial.state, started, completed)
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

    params = parts(models.TrialParamModel, "param_name", "param_value", "distribution_json")
    values = parts(models.TrialValueModel, "objective", "value", "value_type")
    user_attrs = parts(models.TrialUserAttributeModel, "key", "value_json")
    system_attrs = parts(models.TrialSystemAttributeModel, "key", "value_json")
    reports = parts(models.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type")
    final = models.TrialValueModel.stored_repr_to_value
    reported = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
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
