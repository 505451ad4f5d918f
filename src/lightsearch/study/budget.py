"""What a study may spend: a number of finished trials, and, if the user asks for it, a number of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from lightsearch.study.epoch_values import curve_of
from lightsearch.study.lineage import start_of
from lightsearch.study.origin import FINISHED
from lightsearch.study.racing import further_epochs
from lightsearch.study.scheduling import until_of
from lightsearch.study.totals import UNLIMITED


@dataclass(frozen=True)
class Budget:
    """What a study may spend in all, over all searches."""

    n_trials: int
    """The total of finished trials (complete and pruned)."""
    epochs: int | None = None
    """The total of epochs that all its trials train; None: as many as the trials need."""

    @property
    def options(self) -> str:
        """It as options of the command: ``--n-trials 50``."""
        words = [] if self.epochs is not None and self.n_trials >= UNLIMITED else [f"--n-trials {self.n_trials}"]
        return " ".join([*words, *([] if self.epochs is None else [f"--epochs {self.epochs}"])])

    def epochs_left(self, trials: Sequence[FrozenTrial]) -> int | None:
        """The epochs that no trial has trained or is about to train; None: there is no limit.

        Args:
            trials: All trials of the study.
        """
        return None if self.epochs is None else self.epochs - sum(map(_taken, trials))

    def is_spent(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether the study has its total of finished trials, or of epochs."""
        if sum(trial.state in FINISHED for trial in trials) >= self.n_trials:
            return True
        return self.epochs is not None and n_epochs(trials) >= self.epochs


def n_epochs(trials: Sequence[FrozenTrial]) -> int:
    """The number of epochs, or steps, that the trials of a study have trained, in all of their runs."""
    return sum(_trained(trial) + further_epochs(trial) for trial in trials)


def _trained(trial: FrozenTrial) -> int:
    """The epochs of a trial's first run. Not all of them need be validated; while it runs, only those are known."""
    stored = trial.user_attrs.get("result")
    recorded = stored.get("epochs", 0) if isinstance(stored, dict) else 0
    return max(len(curve_of(trial)), recorded - further_epochs(trial))


def _taken(trial: FrozenTrial) -> int:
    """The epochs of a trial, and those that it trains until it pauses."""
    epochs, start = _trained(trial), start_of(trial.user_attrs)
    until = (until_of(trial.user_attrs) or 0) - (0 if start is None else start.epochs)
    return further_epochs(trial) + (max(epochs, until) if trial.state is TrialState.RUNNING else epochs)
