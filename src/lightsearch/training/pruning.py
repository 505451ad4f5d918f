"""The pruning callback: reports the metric to Optuna after each validation, and ends a trial that is pruned."""

from __future__ import annotations

import math
from typing import Any

import optuna
from optuna_integration import PyTorchLightningPruningCallback
from pytorch_lightning import Callback

from lightsearch.compat.logged import in_validation
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Diverged
from lightsearch.study.reporting_trial import ReportingTrial
from lightsearch.training.epoch_log import validates_within_epochs


class MissingMetric(Exception):
    """The module does not log the study's metric."""


def watch_metrics(study_file: StudyFile, trial: optuna.Trial | None) -> Callback:
    """The callback that checks the study's metrics after each validation; with one objective it reports and prunes."""
    if study_file.multi_objective:
        return WatchedMetrics(study_file.logged)
    pruning: Callback = PruningCallback(trial, study_file.metric)
    return pruning


class PruningCallback(PyTorchLightningPruningCallback):  # type: ignore[misc]  # optuna-integration has no types
    """optuna-integration's callback, with seven differences.

    - A missing metric is an error. The original warns, and then never prunes.
    - NaN and infinity are errors. Optuna takes an infinite value for the best one.
    - A pruned trial ends its fit at the end of the epoch, as early stopping does. An exception in the middle of
      validation would lose the epoch's training loss and its checkpoint.
    - The checkpoint stores that the trial was pruned.
    - The checkpoint stores which steps were reported. Later steps, reported by an earlier attempt, are taken back,
      because their epochs are trained again.
    - If an epoch has several validations, each of them is a step.
    - On multiple devices only rank 0 uses the storage; it decides, and the other ranks follow.

    Args:
        trial: The running trial; None: this process is not rank 0.
        monitor: The study's metric.
    """

    def __init__(self, trial: optuna.Trial | None, monitor: str) -> None:
        super().__init__(trial, monitor)
        self.trial: Any = trial
        self.pruned_epoch: int | None = None
        """The epoch in which the trial was pruned."""
        self.validations = 0
        """Number of reports, if an epoch has several validations."""
        self.next_step = 0
        """The first step that is not reported yet; reports of an earlier attempt from this step on are void."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        pass  # the original's support for multiple devices

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if isinstance(self.trial, ReportingTrial):
            self.trial.take_back(self.next_step)
        if self.pruned_epoch is not None:  # but its process died before the outcome was written
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        value = _finite(trainer, self.monitor)
        step = self.validations if validates_within_epochs(trainer) else trainer.current_epoch
        self.next_step = step + 1
        prune = self.trial is not None and self._prunes(trainer, pl_module, value)
        if trainer.strategy.broadcast(prune):
            self.pruned_epoch = trainer.current_epoch
            trainer.should_stop = True

    def _prunes(self, trainer: Any, pl_module: Any, value: float) -> bool:
        try:
            if validates_within_epochs(trainer):
                self._report(value)
            elif trainer.current_epoch + 1 == trainer.max_epochs:
                self.trial.report(value, trainer.current_epoch)  # the last epoch: pruning would save nothing
            else:
                super().on_validation_end(trainer, pl_module)
        except optuna.TrialPruned:
            return True
        return False

    def _report(self, value: float) -> None:
        self.trial.report(value, step=self.validations)
        self.validations += 1
        if self.trial.should_prune():
            raise optuna.TrialPruned

    def state_dict(self) -> dict[str, Any]:
        return {"pruned_epoch": self.pruned_epoch, "validations": self.validations, "next_step": self.next_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pruned_epoch, self.validations = state_dict["pruned_epoch"], state_dict["validations"]
        self.next_step = state_dict["next_step"]


class WatchedMetrics(Callback):
    """Replaces the pruning callback in studies with several objectives: Optuna cannot report or prune those.

    Args:
        metrics: The objectives that the module logs.
    """

    def __init__(self, metrics: list[str]) -> None:
        self.metrics = metrics

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not trainer.sanity_checking:
            for metric in self.metrics:
                _finite(trainer, metric)


def _finite(trainer: Any, metric: str) -> float:
    """A metric after a validation.

    Raises:
        MissingMetric: if that validation did not log it.
        Diverged: if it is NaN or infinite.
    """
    value = trainer.callback_metrics.get(metric)
    if value is not None and not math.isfinite(value):
        raise Diverged(f"{metric} is {float(value)} in epoch {trainer.current_epoch}")
    logged = in_validation(trainer)
    if value is None or metric not in logged:  # the value may come from training, or from an earlier validation
        names = ", ".join(sorted(logged)) or "nothing"
        raise MissingMetric(
            f'metric = "{metric}": the validation of epoch {trainer.current_epoch} does not log it; it logs {names}'
        )
    return float(value)
