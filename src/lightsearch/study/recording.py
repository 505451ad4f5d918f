"""Outcomes of trials: read from the files that workers write, and recorded in the study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from lightsearch.declare.measures import MEASURES, SPREAD
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Kind, Outcome
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study import pareto
from lightsearch.study.periods import PERIODS, periods_until_now
from lightsearch.study.status import PAUSED


def read_outcome(folder: Path, attempt: int) -> Outcome | None:
    """The outcome that a worker wrote at the end of an attempt; None if the attempt did not get that far.

    Args:
        folder: The trial's folder.
        attempt: Which start of the trial, from 1.
    """
    try:
        outcome = Outcome.model_validate_json((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return outcome if outcome.attempt == attempt else None


def record(
    study: optuna.Study, storage: RetryingStorage, study_file: StudyFile, trial_id: int, outcome: Outcome
) -> None:
    """Records the outcome of a running trial. One that is interrupted or paused waits to be continued.

    Args:
        study: The study.
        storage: Its storage.
        study_file: Its study file.
        trial_id: The trial's id in the storage.
        outcome: How it ended.
    """
    state = outcome.policy.state
    attrs: dict[str, Any] = {}
    if outcome.kind is not Kind.INTERRUPTED:
        attrs["kind"] = outcome.kind
        attrs["result"] = outcome.model_dump(mode="json", exclude={"params", "kind"})
    if outcome.kind is Kind.PAUSED:
        attrs |= {PERIODS: periods_until_now(storage.get_trial(trial_id)), PAUSED: True}
    if state is TrialState.WAITING:
        storage.write_trial(trial_id, attrs, state)
        return
    if any(spreads := spreads_of_objectives(outcome.metrics, study_file)):
        attrs[pareto.SPREADS] = spreads
    storage.write_trial(trial_id, attrs)
    values = _values(outcome, study_file) if state is TrialState.COMPLETE else None
    try:
        study.tell(outcome.number, values, state)
    except UpdateFinishedTrialError:
        # The connection broke after the storage had recorded the outcome, and the request was repeated.
        if storage.get_trial(trial_id).state is not state:
            raise


def _values(outcome: Outcome, study_file: StudyFile) -> float | list[float] | None:
    """The values of a complete trial: one, or a list with one for each objective."""
    if not study_file.multi_objective:
        return outcome.value
    return [outcome.metrics[name] for name in study_file.metrics]


def spreads_of_objectives(metrics: Mapping[str, float], study_file: StudyFile) -> list[float]:
    """The spread of each objective: values that differ by less are equal. 0 for exact values.

    Args:
        metrics: The trial's measures, with their spreads, as an outcome has them.
        study_file: The study file.
    """
    return [metrics.get(name + SPREAD, 0.0) if name in MEASURES else 0.0 for name in study_file.metrics]
