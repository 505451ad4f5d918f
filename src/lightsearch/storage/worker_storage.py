"""A worker's storage: it starts from the history that the coordinator gives it, since reading a long study is slow."""

from __future__ import annotations

import pickle
from collections.abc import Container
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import trial_id_of
from lightsearch.storage.retrying import RetryingStorage


class History(NamedTuple):
    """A study's finished trials, as far as workers look at them. Reading a long study takes seconds."""

    finished: list[bytes]
    """A pickled FrozenTrial each, without most user attributes; with parameters only if workers sample."""
    unfinished: set[int]
    """Ids of the trials that had not finished."""
    last_id: int
    """The highest trial id in this history; -1: there are no trials."""


class WorkerStorage(RetryingStorage):
    """Reads only what is not in its history."""

    history: History | None = None

    def read_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        history = self.history
        if history is None or states is not None or trial_id_greater_than > -1:
            return super().read_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        late = super().read_trials(study_id, None, history.unfinished, history.last_id)
        known = [pickle.loads(trial) for trial in history.finished]  # from the coordinator, through its pipe
        return sorted([*known, *late], key=trial_id_of)
