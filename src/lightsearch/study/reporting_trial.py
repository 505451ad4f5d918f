"""What a trial reports to Optuna over its attempts: an epoch that is trained again is reported again."""

from __future__ import annotations

from collections.abc import Sequence

import optuna

from lightsearch.compat.optuna_trials import database_of, frozen_of, intermediate_values_of, trial_id_of
from lightsearch.storage.corrections import CorrectingStorage
from lightsearch.study.epoch_values import EPOCH_VALUES, as_attribute, epoch_values_of


class ReportingTrial(optuna.Trial):
    """Optuna's trial, with two differences.

    - In a later attempt it reports again, from the step at which the attempt continues. Optuna keeps the first value
      that is reported for a step, and warns about others. So the values of a killed attempt would stay, and all pruners
      would look at them.
    - It reports several objectives (``report_all``), and may then be pruned. Optuna refuses both.

    Args:
        study: The study, in a database.
        trial_id: The running trial's id.
    """

    def __init__(self, study: optuna.Study, trial_id: int) -> None:
        super().__init__(study, trial_id)
        self._earlier = set(self.intermediate_values)
        """Steps that earlier attempts reported, and this one has not."""
        self._epoch_values = epoch_values_of(self)
        """What was reported of several objectives, by step."""

    @property
    def intermediate_values(self) -> dict[int, float]:
        """What was reported, by step."""
        return intermediate_values_of(self)

    def take_back(self, first: int) -> None:
        """Removes the reports of earlier attempts from a step on, here and in the storage: these steps are repeated.

        Args:
            first: The step.
        """
        if any(step >= first for step in self._epoch_values):
            self._set_epoch_values({step: one for step, one in self._epoch_values.items() if step < first})
        steps = sorted(step for step in self._earlier if step >= first)
        if not steps:
            return
        storage = database_of(self.storage)
        assert isinstance(storage, CorrectingStorage)
        storage.delete_intermediate_values(trial_id_of(self), steps)
        for step in steps:
            del self.intermediate_values[step]
        self._earlier.difference_update(steps)

    def report(self, value: float, step: int) -> None:
        self.take_back(step)
        super().report(value, step)

    def report_all(self, values: Sequence[float], step: int) -> None:
        """Reports the values of all objectives, in the order of the study file. Those of later steps are removed."""
        before = {at: one for at, one in self._epoch_values.items() if at < step}
        self._set_epoch_values({**before, step: list(values)})

    def should_prune(self) -> bool:
        if len(self.study.directions) == 1:
            return super().should_prune()
        return self.study.pruner.prune(self.study, frozen_of(self))

    def _set_epoch_values(self, values: dict[int, list[float]]) -> None:
        self.set_user_attr(EPOCH_VALUES, as_attribute(values))
        self._epoch_values = values
