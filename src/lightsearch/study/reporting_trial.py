"""What a trial reports to Optuna over its attempts: an epoch that is trained again is reported again."""

from __future__ import annotations

import optuna

from lightsearch.storage.row_reads import RowReadingStorage


class ReportingTrial(optuna.Trial):
    """Optuna's trial, which in a later attempt reports again from where its work is taken up.

    Optuna keeps the first value that a step was reported with, and warns. So the values of an attempt that was killed
    would stay, and its pruner and other trials' would look at them.

    Args:
        study: The study, in a database.
        trial_id: The running trial.
    """

    def __init__(self, study: optuna.Study, trial_id: int) -> None:
        super().__init__(study, trial_id)
        self._earlier = set(self.intermediate_values)
        """Steps that earlier attempts reported, and this one has not."""

    @property
    def intermediate_values(self) -> dict[int, float]:
        """What was reported, by step."""
        return self._cached_frozen_trial.intermediate_values

    def take_back(self, first: int) -> None:
        """Removes what earlier attempts reported from a step on, here and in the storage: that work is done anew."""
        steps = sorted(step for step in self._earlier if step >= first)
        if not steps:
            return
        storage = getattr(self.storage, "_backend", self.storage)  # Optuna's cache lies around it
        assert isinstance(storage, RowReadingStorage)
        storage.delete_intermediate_values(self._trial_id, steps)
        for step in steps:
            del self.intermediate_values[step]
        self._earlier.difference_update(steps)

    def report(self, value: float, step: int) -> None:
        self.take_back(step)
        super().report(value, step)
