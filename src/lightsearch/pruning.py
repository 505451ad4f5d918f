"""The pruning callback: reports the metric to Optuna after each validation and ends a trial that is not promising."""

from __future__ import annotations

import math
from typing import Any

import optuna
from optuna_integration import PyTorchLightningPruningCallback

from lightsearch.outcome import Diverged
from lightsearch.training import validates_within_epochs


class MissingMetric(Exception):
    """The module does not log the study's metric."""


class PruningCallback(PyTorchLightningPruningCallback):  # type: ignore[misc]  # optuna-integration has no types
    """optuna-integration's callback, with five differences.

    A missing metric is an error: the original warns, and then never prunes. NaN and infinity are errors: Optuna
    takes an infinite value for the best one. A pruned trial leaves the fit as an early-stopped one does, at the end
    of its epoch: raised in the middle of validation, the exception would cost the epoch's training loss and its
    checkpoint. It remembers, in the checkpoint, that it pruned. And where an epoch has several validations, each of
    them is a step.

    Args:
        trial: The running trial.
        monitor: The study's metric.
    """

    def __init__(self, trial: optuna.Trial, monitor: str) -> None:
        super().__init__(trial, monitor)
        self.pruned_epoch: int | None = None
        """The epoch in which the trial was pruned."""
        self.validations = 0
        """How often it has reported, where the validations of an epoch are several."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self.pruned_epoch is not None:  # and its process died before it could say so
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            logged = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise MissingMetric(
                f'metric = "{self.monitor}": the module does not log it in validation; it logs {logged}'
            )
        if not math.isfinite(value):
            raise Diverged(f"{self.monitor} is {float(value)} in epoch {trainer.current_epoch}")
        try:
            if validates_within_epochs(trainer):
                self._report(float(value))
            elif trainer.current_epoch + 1 == trainer.max_epochs:
                self._trial.report(float(value), trainer.current_epoch)  # trained to its end: nothing is saved any more
            else:
                super().on_validation_end(trainer, pl_module)
        except optuna.TrialPruned:
            self.pruned_epoch = trainer.current_epoch
            trainer.should_stop = True

    def _report(self, value: float) -> None:
        self._trial.report(value, step=self.validations)
        self.validations += 1
        if self._trial.should_prune():
            raise optuna.TrialPruned

    def state_dict(self) -> dict[str, Any]:
        return {"pruned_epoch": self.pruned_epoch, "validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pruned_epoch, self.validations = state_dict["pruned_epoch"], state_dict["validations"]
