"""One trial of a function, from its call to its outcome: the counterpart of ``trial`` without a model."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import torch
from pytorch_lightning import seed_everything

from lightsearch.atomic_files import make_folder, write_json
from lightsearch.declare.classes import find_function
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Diverged, Interrupted, Kind, Outcome
from lightsearch.storage.worker_storage import History
from lightsearch.study.reporting_trial import ReportingTrial
from lightsearch.study.samplers import trial_seed
from lightsearch.study.worker_trial import attach_trial
from lightsearch.training.boundary import EndingFields, run_recorded
from lightsearch.training.quiet import quiet
from lightsearch.training.usage import Usage

FILES = "files"
"""The folder inside a trial's folder for files of the function."""

RESERVED = {"kind", "result", "owner", "attempt", "lease"}
"""User attributes that a search stores with its trials."""


class NoNumber(Exception):
    """The function did not return one number."""


class FunctionTrial(ReportingTrial):
    """Optuna's trial, with four differences.

    It has a folder for files. User attributes that the search stores cannot be overwritten. A report ends the function
    if another worker has taken over the trial. In a later attempt, steps can be reported again, from the step at which
    the function resumes.

    Args:
        study: The study.
        trial_id: The running trial.
        files: Its folder for files.
        attempt: Which start of the trial this is, from 1.
        newest_attempt: Reads the number of the trial's newest start from the storage.
    """

    def __init__(
        self, study: optuna.Study, trial_id: int, *, files: Path, attempt: int, newest_attempt: Callable[[], int]
    ) -> None:
        super().__init__(study, trial_id)
        self.files = files
        self._attempt = attempt
        self._newest_attempt = newest_attempt

    def report(self, value: float, step: int) -> None:
        newest = self._newest_attempt()
        if newest != self._attempt:
            raise Interrupted(f"attempt {newest} of this trial has begun elsewhere; this is attempt {self._attempt}")
        super().report(value, step)

    def set_user_attr(self, key: str, value: Any) -> None:
        if key in RESERVED:
            raise ValueError(f"the user attribute {key} is the search's own; choose another name")
        super().set_user_attr(key, value)


def trial_folder(trial: optuna.Trial) -> Path:
    """The trial's own folder for files that the function writes: ``studies/NAME/trial-0007/files``.

    It is the same in every attempt of the trial, so that a function that saves a checkpoint there can resume from it
    after its process died. Nothing in it is ever deleted.

    Args:
        trial: The trial that a search called the function with.

    Raises:
        TypeError: if the trial does not belong to a search.
    """
    if not isinstance(trial, FunctionTrial):
        raise TypeError("this trial has no folder: lightsearch.search did not make it")
    make_folder(trial.files)
    return trial.files


def run_trial(
    study_file: StudyFile,
    storage_url: str,
    trial_id: int,
    *,
    folder: Path,
    data_dir: str | None,
    attempt: int,
    history: History | None = None,
) -> Outcome:
    """Calls the study's function with one trial, and writes the trial's outcome.

    In a later attempt the function is called again, with the parameters that the trial has already.

    Args:
        study_file: The declared study.
        storage_url: The study's storage.
        trial_id: A running trial of the study.
        folder: The trial's folder: receives ``result.json``.
        data_dir: Folder of the data files; the function finds it in LIGHTSEARCH_DATA.
        attempt: Which start of the trial this is, from 1.
        history: The finished trials that the sampler and the pruner use; None: they are read from the storage.

    Returns:
        The outcome, whatever happened: an exception becomes a kind. Only a request to stop is raised again.
    """
    began = time.perf_counter()
    attached = attach_trial(study_file, storage_url, trial_id, history)
    attached.trial.study.get_trials(deepcopy=False)  # Optuna's cache only adds parameters to trials that it has read
    trial = FunctionTrial(
        attached.trial.study,
        trial_id,
        files=folder / FILES,
        attempt=attempt,
        newest_attempt=attached.newest_attempt,
    )
    seed, threads = trial_seed(study_file.seed, trial.number), torch.get_num_threads()
    usage = Usage(folder / "result.json", attempt, shared=False)

    def call() -> EndingFields:
        if data_dir is not None:
            os.environ["LIGHTSEARCH_DATA"] = data_dir
        quiet()
        seed_everything(seed, workers=True, verbose=False)
        return _call(study_file, trial)

    def record(ending: EndingFields) -> Outcome:
        known = Outcome(number=trial.number, kind=ending["kind"], attempt=attempt, seed=seed, threads=threads)
        found = {
            "params": trial.params,
            "epochs": len(trial.intermediate_values),
            "seconds": round(time.perf_counter() - began, 3),
            **usage.found(),
        }
        outcome = known.model_copy(update={**found, **ending})
        write_json(folder / "result.json", outcome.model_dump(mode="json"))
        return outcome

    return run_recorded(folder, lambda _: call(), record)


def _call(study_file: StudyFile, trial: FunctionTrial) -> EndingFields:
    """Calls the function, and returns how that ended."""
    assert study_file.objective is not None
    try:
        function = find_function(study_file.objective, study_file.given)
        value = _number(function(trial))
    except optuna.TrialPruned:
        reported = [value for _, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]
        return {"kind": Kind.PRUNED, "stop_reason": "pruned", "value": reported[-1] if reported else None}
    if not math.isfinite(value):
        raise Diverged(f"the function returned {value}")
    if any(excess > 0 for excess in trial.constraints.values()):
        return {"kind": Kind.PRUNED, "stop_reason": "infeasible", "value": value}
    return {"kind": Kind.COMPLETE, "stop_reason": "returned", "value": value}


def _number(returned: object) -> float:
    if isinstance(returned, tuple | list):
        raise NoNumber(
            f"the function returned {len(returned)} values; return one number: a function has a single objective"
        )
    try:
        if isinstance(returned, str | bytes):
            raise TypeError
        return float(returned)  # type: ignore[arg-type]  # numpy scalars and tensors of one element as well
    except (TypeError, ValueError, RuntimeError):
        raise NoNumber(f"the function returned {str(returned)[:80]!r}, which is no number; return one") from None
