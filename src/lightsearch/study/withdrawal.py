"""Ends single trials because the user asks for it: how such a trial is recorded, and what becomes of a waiting one."""

from __future__ import annotations

import math
import statistics
from enum import Enum
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightsearch.atomic_files import write_json
from lightsearch.compat.optuna_trials import study_id_of, trial_id_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import EARLY_STOPPING, STOPPED_BY_USER, Kind, Outcome
from lightsearch.paths import PREVIOUS, trial_folder
from lightsearch.storage.locks import study_lock
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.leases import Leases
from lightsearch.study.lineage import start_of
from lightsearch.study.origin import outcome_of
from lightsearch.study.racing import further_epochs, run_values, std_of
from lightsearch.study.recording import read_outcome, record
from lightsearch.study.requests import ask_to_end
from lightsearch.study.stored import declaration_of


class Withdrawal(Enum):
    """What became of a user's request to end a trial."""

    ASKED = "the search that runs it ends it"
    ENDED = "it waited, and has ended"
    FINISHED = "it had finished before"


def withdraw(study: optuna.Study, storage: RetryingStorage, url: str, folder: Path, number: int) -> Withdrawal:
    """Ends a trial that waits, or asks the search that runs it to end it.

    Args:
        study: The study.
        storage: Its storage.
        url: The storage's URL.
        folder: The study's folder.
        number: The trial's number.

    Raises:
        UserError: if there is no such trial, or another program runs it.
    """
    study_file = declaration_of(study)
    leases = Leases(study, storage, study_file, folder)
    with study_lock(url, study.study_name, retry_seconds=storage.retry_seconds):
        trials = leases.recover(study.get_trials(deepcopy=False))
        if number >= len(trials):
            known = f"the study has trials 0 to {len(trials) - 1}" if trials else "the study has no trials yet"
            raise UserError(Mistake("--trial", number, f"no such trial; {known}"))
        trial = trials[number]
        if trial.state.is_finished():
            return Withdrawal.FINISHED
        if trial.state is TrialState.RUNNING:
            if "owner" not in trial.user_attrs:
                raise UserError(Mistake("--trial", number, "another program runs it; stop it there"))
            ask_to_end(storage, study_id_of(study), number)
            return Withdrawal.ASKED
        end_waiting(study, storage, study_file, leases, folder, trial, STOPPED_BY_USER)
        return Withdrawal.ENDED


def withdrawn_outcome(trial: FrozenTrial, study_file: StudyFile, written: Outcome | None, attempt: int) -> Outcome:
    """The outcome of a trial that the user ended.

    With a value it is pruned, and has the best epoch's value and checkpoint as every pruned trial. Without one it is
    withdrawn, and does not count towards the study's total.

    Args:
        trial: The trial.
        study_file: The study file.
        written: What the trial's process wrote when it was interrupted; None: it wrote nothing.
        attempt: Which start of the trial this is.
    """
    return _ended(trial, study_file, written, attempt, STOPPED_BY_USER)


def _ended(
    trial: FrozenTrial, study_file: StudyFile, written: Outcome | None, attempt: int, stop_reason: str
) -> Outcome:
    outcome = written or Outcome(number=trial.number, kind=Kind.WITHDRAWN, attempt=attempt)
    if outcome.value is None:  # a function's process does not write one, and one that was killed writes nothing
        outcome = outcome.model_copy(update=_reported(trial, study_file))
    kind = Kind.COMPLETE if stop_reason == EARLY_STOPPING else Kind.PRUNED
    if outcome.value is None:
        kind = Kind.WITHDRAWN
    start = start_of(trial.user_attrs)
    first = outcome.first_epoch if start is None else start.epochs
    return outcome.model_copy(update={"kind": kind, "stop_reason": stop_reason, "error": None, "first_epoch": first})


def _reported(trial: FrozenTrial, study_file: StudyFile) -> dict[str, Any]:
    """The fields of an outcome that the storage knows: of a function the last value, else that of the best epoch."""
    values = {step: value for step, value in curve_of(trial).items() if math.isfinite(value)}
    if not values:
        return {}
    if study_file.objective is not None:
        return {"value": values[max(values)], "epochs": len(values)}
    best = (max if study_file.mode == "max" else min)(values, key=lambda step: values[step])
    further = further_epochs(trial)
    found: dict[str, Any] = {"value": values[best], "best_epoch": best}
    found |= {"epochs": len(values) + further, "further_epochs": further}
    if runs := run_values(trial):
        found |= {"value": statistics.fmean(runs), "run_values": runs, "std": std_of(runs)}
    return found


def end_waiting(
    study: optuna.Study,
    storage: RetryingStorage,
    study_file: StudyFile,
    leases: Leases,
    folder: Path,
    trial: FrozenTrial,
    stop_reason: str,
) -> Outcome:
    """Ends a trial that waits to be started, or to be continued. The caller holds the study's lock.

    Returns:
        Its outcome: pruned, with the best epoch's value, or complete after early stopping; withdrawn if it has none.
    """
    trial_id, attempt = trial_id_of(trial), max(1, int(trial.user_attrs.get("attempt", 1)))
    written = read_outcome(trial_folder(folder, trial.number), attempt)
    # Optuna ends running trials only. If this process is killed in between, the trial is stale, and waits again.
    storage.write_trial(trial_id, leases.new(attempt), TrialState.RUNNING)
    outcome = _ended(trial, study_file, written or outcome_of(trial), attempt, stop_reason)
    record(study, storage, study_file, trial_id, outcome)
    (trial_folder(folder, trial.number) / PREVIOUS).unlink(missing_ok=True)  # it is of trials that go on
    file = trial_folder(folder, trial.number) / "result.json"
    if file.exists():  # it says that the trial waits
        write_json(file, outcome.model_dump(mode="json"))
    return outcome
