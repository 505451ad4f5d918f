"""The checkpoints that are worth keeping: those of the study's leaders."""

from __future__ import annotations

import contextlib
import json

from optuna.trial import FrozenTrial

from lightsearch.atomic_files import write_json
from lightsearch.compat.optuna_trials import trial_id_of
from lightsearch.errors import ResourceUnavailable
from lightsearch.paths import trial_folder
from lightsearch.storage.artifacts import Artifacts
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.origin import outcome_of
from lightsearch.study.succession import parents_needed
from lightsearch.study.trial_queue import TrialQueue


class KeptCheckpoints:
    """Keeps the checkpoints of the study's ``keep_top_k`` leaders, and deletes those of other finished trials.

    A study with several objectives keeps those of its Pareto front too.

    Args:
        queue: The study.
        artifacts: Where checkpoints are besides or instead of the study's folder; None: nowhere else.
    """

    def __init__(self, queue: TrialQueue, artifacts: Artifacts | None = None) -> None:
        self._queue = queue
        self._artifacts = artifacts
        self._numbers: set[int] = set()
        """Finished trials that may have checkpoints."""

    def add(self, number: int) -> None:
        """Adds a finished trial that may have checkpoints."""
        self._numbers.add(number)

    def add_earlier(self, finished: set[int]) -> None:
        """Adds the trials of earlier searches that have checkpoints.

        Args:
            finished: The numbers of the finished trials of earlier searches.
        """
        folder = self._queue.folder
        here = {number for number in finished if any(trial_folder(folder, number).glob("*.ckpt"))}
        sent = self._artifacts.with_checkpoints() & finished if self._artifacts is not None else set()
        self._numbers |= here | sent

    def delete_others(self, trials: list[FrozenTrial]) -> None:
        """Deletes all ``*.ckpt`` files of trials that are not kept, including those of a module's own callbacks.

        The trial's ``result.json`` and its attributes in the storage no longer name a deleted checkpoint.

        Args:
            trials: All trials of the study.

        Raises:
            ResourceUnavailable: if a file cannot be deleted.
        """
        by_number = {trial.number: trial for trial in trials}
        for number in self._numbers - self._kept(trials):
            folder = trial_folder(self._queue.folder, number)
            self._forget(by_number[number])  # first: a process that is killed here leaves no name without a file
            for checkpoint in folder.rglob("*.ckpt"):
                try:
                    checkpoint.unlink(missing_ok=True)
                except OSError as error:
                    raise ResourceUnavailable(f"{checkpoint} cannot be deleted: {error.strerror or error}") from error
            if self._artifacts is not None:
                self._artifacts.delete_checkpoints(folder.name)
            self._numbers.discard(number)

    def _kept(self, trials: list[FrozenTrial]) -> set[int]:
        declared = self._queue.study_file
        kept = {outcome.number for outcome in leaders(trials, declared.directions, declared.keep_top_k)}
        kept |= parents_needed(self._queue.folder, trials)
        if declared.multi_objective:
            kept |= {outcome.number for outcome in pareto_front(trials, declared.directions)}
        return kept

    def _forget(self, trial: FrozenTrial) -> None:
        """Removes a checkpoint's name from the storage and from ``result.json``."""
        outcome = outcome_of(trial)
        if outcome is not None and outcome.checkpoint is not None:
            result = {**trial.user_attrs["result"], "checkpoint": None}
            self._queue.storage.replace_user_attr(trial_id_of(trial), "result", result)
            trial.user_attrs = {**trial.user_attrs, "result": result}  # Optuna's cache holds this object
        file = trial_folder(self._queue.folder, trial.number) / "result.json"
        with contextlib.suppress(OSError, ValueError):
            written = json.loads(file.read_text(encoding="utf-8"))
            if written.get("checkpoint") is not None:
                write_json(file, {**written, "checkpoint": None})
