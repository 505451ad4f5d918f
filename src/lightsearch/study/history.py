"""The history of a study that its coordinator gives to workers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from lightsearch.compat.optuna_trials import trial_id_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.storage.worker_storage import History
from lightsearch.study.epoch_values import EPOCH_VALUES
from lightsearch.study.pareto import SPREADS
from lightsearch.study.racing import RUNS

NEEDED = (EPOCH_VALUES, SPREADS, RUNS)
"""The user attributes that a pruner, or a race for further runs, looks at."""


class HistoryMaker:
    """Makes histories of a study, and pickles each finished trial only once.

    Args:
        study: The study.
        study_file: Its study file: a function samples in its worker, and so needs the parameters of other trials.
    """

    def __init__(self, study: optuna.Study, study_file: StudyFile) -> None:
        of_function = study_file.objective is not None
        self._workers_sample = of_function
        self._is_needed = of_function or not isinstance(study.pruner, optuna.pruners.NopPruner)
        # What a class that is not Optuna's looks at is not known.
        self._is_whole = not study_file.pruner.of_optuna or (of_function and not study_file.sampler.of_optuna)
        self._pickled: dict[int, bytes] = {}
        """The finished trials by their ids."""

    def history(self, trials: Sequence[FrozenTrial]) -> History | None:
        """What a worker's pruner and sampler look at; None if they look at nothing.

        Args:
            trials: All trials of the study.
        """
        if not self._is_needed:
            return None
        for trial in trials:
            if trial.state.is_finished() and trial_id_of(trial) not in self._pickled:
                self._pickled[trial_id_of(trial)] = self._pickle(trial)
        unfinished = {trial_id_of(trial) for trial in trials if not trial.state.is_finished()}
        return History(list(self._pickled.values()), unfinished, max(map(trial_id_of, trials), default=-1))

    def _pickle(self, trial: FrozenTrial) -> bytes:
        if self._is_whole:
            return pickle.dumps(trial)
        trial = copy.copy(trial)
        trial.user_attrs = {key: trial.user_attrs[key] for key in NEEDED if key in trial.user_attrs}
        if not self._workers_sample:
            trial.params, trial.distributions = {}, {}
        return pickle.dumps(trial)
