"""The user's function that is called after each trial."""

from __future__ import annotations

import copy
from collections.abc import Callable

import optuna
from optuna.trial import FrozenTrial

from lightsearch.compat.optuna_trials import call_back

OnTrialEnd = Callable[[optuna.Study, FrozenTrial], object]
"""A function of the study and the finished trial, as in ``callbacks`` of ``optuna.Study.optimize``."""


class TrialEnd:
    """Calls the function, until it raises.

    Args:
        function: The function; None: there is none.
    """

    def __init__(self, function: OnTrialEnd | None) -> None:
        self.error: Exception | None = None
        """What it raised. The search stops, and then raises it."""
        self.stops = False
        """Whether it stops the search, by ``study.stop()`` or an exception."""
        self._function = function

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if self._function is None or self.error is not None:
            return
        try:
            self.stops = call_back(study, self._function, copy.deepcopy(trial)) or self.stops
        except Exception as error:  # the user's own code
            self.error, self.stops = error, True
