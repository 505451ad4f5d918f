"""Writes that Optuna's database storage does not offer."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState
from sqlalchemy import delete, insert, or_, select, update

from lightsearch.compat import optuna_tables as tables
from lightsearch.storage.row_reads import RowReadingStorage


class CorrectingStorage(RowReadingStorage):
    """Optuna's storage, which can also change what Optuna treats as settled."""

    def rename_studies(self, names: Mapping[int, str]) -> None:
        """Renames studies in one transaction: all of them, or none if anything fails.

        Studies are renamed in the given order. The new name of a study may be its present one.

        Args:
            names: New names by the studies' ids.

        Raises:
            IntegrityError: if another study has such a name.
        """
        study = tables.StudyModel
        with tables.session_of(self) as session:
            for study_id, name in names.items():
                session.execute(update(study).where(study.study_id == study_id).values(study_name=name))

    def forget_params(self, trial_id: int) -> None:
        """Deletes a trial's sampled parameters. Those that it was enqueued with stay."""
        param = tables.TrialParamModel
        with tables.session_of(self) as session:
            session.execute(delete(param).where(param.trial_id == trial_id))

    def redeclare_params(
        self,
        study_id: int,
        params: Mapping[int, Mapping[str, tuple[Any, BaseDistribution]]],
        *,
        attrs: Mapping[str, Any],
        forget: Sequence[str],
    ) -> None:
        """Replaces the parameters of trials, also of finished ones, and attributes of their study, in one transaction.

        Args:
            study_id: The study's id.
            params: Values and distributions by their names, by the trials' ids. A trial loses all others.
            attrs: User attributes of the study.
            forget: Beginnings of the system attributes that these trials lose.
        """
        param, system, attr = tables.TrialParamModel, tables.TrialSystemAttributeModel, tables.StudyUserAttributeModel
        rows = [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": distribution.to_internal_repr(value),
                "distribution_json": distribution_to_json(distribution),
            }
            for trial_id, named in params.items()
            for name, (value, distribution) in named.items()
        ]
        of_study = select(tables.TrialModel.trial_id).where(tables.TrialModel.study_id == study_id)
        with tables.session_of(self) as session:
            for trial_id in params:
                session.execute(delete(param).where(param.trial_id == trial_id))
            if rows:
                session.execute(insert(param), rows)
            if forget:
                begins = or_(*(system.key.startswith(beginning, autoescape=True) for beginning in forget))
                chosen = delete(system).where(system.trial_id.in_(of_study), begins)
                session.execute(chosen, execution_options={"synchronize_session": False})
            for key, value in attrs.items():
                session.execute(delete(attr).where(attr.study_id == study_id, attr.key == key))
                session.execute(insert(attr), [{"study_id": study_id, "key": key, "value_json": json.dumps(value)}])

    def write_trial(self, trial_id: int, attrs: Mapping[str, Any], state: TrialState | None = None) -> None:
        """Writes user attributes of an unfinished trial, and its state, in one transaction.

        Args:
            trial_id: The trial's id.
            attrs: The attributes; others stay.
            state: ``RUNNING`` or ``WAITING``; None: it stays.

        Raises:
            UpdateFinishedTrialError: if the trial is finished.
        """
        with tables.session_of(self) as session:
            trial: Any = tables.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
            self.check_trial_is_updatable(trial_id, trial.state)
            tables.set_attrs(session, tables.TrialUserAttributeModel, trial_id, attrs)
            if state is not None:
                trial.state = state
            if state is TrialState.RUNNING:
                trial.datetime_start = datetime.datetime.now()

    def replace_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Replaces an attribute of a trial, also of a finished one, whose attributes Optuna does not change."""
        attribute = tables.TrialUserAttributeModel
        with tables.session_of(self) as session:
            chosen = update(attribute).where(attribute.trial_id == trial_id, attribute.key == key)
            session.execute(chosen.values(value_json=json.dumps(value)))

    def delete_study_system_attr(self, study_id: int, key: str) -> None:
        """Deletes a system attribute of a study, if the study has it."""
        attribute = tables.StudySystemAttributeModel
        with tables.session_of(self) as session:
            session.execute(delete(attribute).where(attribute.study_id == study_id, attribute.key == key))

    def delete_intermediate_values(self, trial_id: int, steps: Sequence[int]) -> None:
        """Deletes what a running trial has reported for some steps.

        Raises:
            UpdateFinishedTrialError: if the trial is finished.
        """
        reported = tables.TrialIntermediateValueModel
        with tables.session_of(self) as session:
            trial: Any = tables.TrialModel.find_or_raise_by_id(trial_id, session)
            self.check_trial_is_updatable(trial_id, trial.state)
            session.execute(delete(reported).where(reported.trial_id == trial_id, reported.step.in_(steps)))
