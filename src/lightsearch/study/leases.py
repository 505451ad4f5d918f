"""Leases: which coordinator owns a running trial, and until when.

A running trial has an ``owner`` (a process), an ``attempt`` number and a ``lease``, which its owner renews. If the
owner is dead or the lease has ended, the trial is stale, and another coordinator takes it over.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import study_id_of, trial_id_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.machine.owner import Owner, this_process
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import trial_folder
from lightsearch.storage.locks import storage_time
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.recording import read_outcome, record

LEASE_SECONDS = 120.0
"""A trial whose lease was not renewed for this long has lost its owner, even if it ran on another machine."""

RENEWAL_SECONDS = 20.0
"""How often a coordinator renews the leases of its trials."""


def is_stale(attrs: dict[str, Any], now: float, is_dead: Callable[[Owner], bool] = Owner.is_dead) -> bool:
    """Whether a running trial has lost its owner: the owner is known to be dead, or the lease has ended.

    Args:
        attrs: The trial's user attributes (``owner``, ``lease``).
        now: The storage's time, seconds since 1970.
        is_dead: Looks whether an owner is known to be dead.
    """
    if "owner" not in attrs:
        return False  # another program runs it, in the same study
    return is_dead(Owner.model_validate(attrs["owner"])) or now > float(attrs.get("lease", 0.0))


class Leases:
    """The leases of one coordinator.

    Args:
        study: The study.
        storage: Its storage.
        study_file: Its study file.
        folder: Its folder.
    """

    def __init__(self, study: optuna.Study, storage: RetryingStorage, study_file: StudyFile, folder: Path) -> None:
        self._study = study
        self._storage = storage
        self._study_file = study_file
        self._folder = folder
        # The token tells apart several coordinators of one process.
        self._owner = this_process().model_copy(update={"token": uuid.uuid4().hex}).model_dump()
        self.held: set[int] = set()
        """Ids of the trials that were assigned and whose outcomes are not yet recorded."""

    def new(self, attempt: int) -> dict[str, Any]:
        """The attributes of a trial that this coordinator starts: owner, attempt and lease."""
        return {"owner": self._owner, "attempt": attempt, "lease": self._end()}

    def is_owned(self, assigned: TrialAssignment, trial: FrozenTrial) -> bool:
        """Whether this coordinator still owns a trial in the attempt that it was assigned."""
        own = trial.user_attrs.get("owner") == self._owner
        return own and trial.state is TrialState.RUNNING and trial.user_attrs["attempt"] == assigned.attempt

    def renew(self, assigned: Sequence[TrialAssignment]) -> list[TrialAssignment]:
        """Renews the leases of running trials. It needs no lock: a late call at worst extends the next owner's lease.

        Returns:
            The trials that this coordinator no longer owns: their leases had ended, and others took them over.
        """
        if not assigned:
            return []
        read = self._storage.read_trials_by_id(study_id_of(self._study), [one.trial_id for one in assigned])
        trials, end = {trial_id_of(trial): trial for trial in read}, self._end()
        lost = [one for one in assigned if not self.is_owned(one, trials[one.trial_id])]
        for one in assigned:
            if one not in lost:
                with suppress(UpdateFinishedTrialError):  # its outcome was recorded meanwhile
                    self._storage.set_trial_user_attr(one.trial_id, "lease", end)
        return lost

    def start_again(self, assigned: TrialAssignment) -> TrialAssignment | None:
        """Starts another attempt of a trial; None if this coordinator no longer owns it. The caller holds the lock."""
        if not self.is_owned(assigned, self._storage.get_trial(assigned.trial_id)):
            return None
        again = assigned._replace(attempt=assigned.attempt + 1)
        self._storage.set_trial_user_attr(assigned.trial_id, "attempt", again.attempt)
        return again

    def recover(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Ends the running trials that have lost their coordinator. The caller holds the lock.

        The outcome that a worker has left is recorded; a trial without one waits to be continued.

        Args:
            trials: All trials of the study.

        Returns:
            All trials of the study as they are now.
        """
        running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        now = storage_time(self._storage) if running else 0.0
        is_dead = functools.cache(Owner.is_dead)  # a coordinator owns many trials
        stale = [
            trial
            for trial in running
            if trial_id_of(trial) not in self.held
            and (is_stale(trial.user_attrs, now, is_dead) or self._is_orphaned(trial))
        ]
        for trial in stale:
            outcome = read_outcome(trial_folder(self._folder, trial.number), int(trial.user_attrs["attempt"]))
            outcome = outcome or Outcome(number=trial.number, kind=Kind.INTERRUPTED)
            record(self._study, self._storage, self._study_file, trial_id_of(trial), outcome)
        return self._study.get_trials(deepcopy=False) if stale else trials

    def _is_orphaned(self, trial: FrozenTrial) -> bool:
        """Whether a trial that is not held is this coordinator's: the storage's answer to its request was lost."""
        return bool(trial.user_attrs.get("owner") == self._owner)

    def _end(self) -> float:
        return round(storage_time(self._storage) + LEASE_SECONDS, 1)
