"""The pruning callback: reports the metrics after each validation, and ends a trial that is pruned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna_integration import PyTorchLightningPruningCallback

from lightsearch.compat.logged import in_validation
from lightsearch.declare.measures import MEASURES
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Diverged
from lightsearch.study.reporting_trial import ReportingTrial
from lightsearch.training.epoch_log import validates_within_epochs


class MissingMetric(Exception):
    """The module does not log the study's metric."""


def watch_metrics(
    study_file: StudyFile, trial: ReportingTrial | None, measured: Mapping[str, float]
) -> PruningCallback:
    """The callback that checks the study's metrics after each validation, reports them, and prunes.

    Args:
        study_file: The study file.
        trial: The running trial; None: this process is not rank 0.
        measured: The trial's measures by name.
    """
    if study_file.multi_objective:
        return MultiObjectivePruningCallback(trial, study_file.metrics, measured)
    return PruningCallback(trial, study_file.metric)


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
        values = self._values(trainer)
        step = self.validations if validates_within_epochs(trainer) else trainer.current_epoch
        self.next_step = step + 1
        prune = self.trial is not None and self._prunes(trainer, pl_module, values, step)
        if trainer.strategy.broadcast(prune):
            self.pruned_epoch = trainer.current_epoch
            trainer.should_stop = True

    def _values(self, trainer: Any) -> list[float]:
        """The values of the objectives after a validation."""
        return [_finite(trainer, self.monitor)]

    def _prunes(self, trainer: Any, pl_module: Any, values: list[float], step: int) -> bool:
        """Reports the values, and says whether the trial is pruned."""
        try:
            if validates_within_epochs(trainer):
                self._report(values[0])
            elif _is_last_epoch(trainer):
                self.trial.report(values[0], step)
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


class MultiObjectivePruningCallback(PruningCallback):
    """The same for several objectives, which the original cannot report.

    Args:
        trial: The running trial; None: this process is not rank 0.
        metrics: The study's objectives.
        measured: The values of those that the module does not log.
    """

    def __init__(self, trial: ReportingTrial | None, metrics: Sequence[str], measured: Mapping[str, float]) -> None:
        super().__init__(trial, metrics[0])
        self.metrics = metrics
        self.measured = measured

    def _values(self, trainer: Any) -> list[float]:
        return [self.measured[name] if name in MEASURES else _finite(trainer, name) for name in self.metrics]

    def _prunes(self, trainer: Any, pl_module: Any, values: list[float], step: int) -> bool:  # noqa: ARG002
        self.trial.report_all(values, step)
        if validates_within_epochs(trainer):
            self.validations += 1
        elif _is_last_epoch(trainer):
            return False
        return bool(self.trial.should_prune())


def _is_last_epoch(trainer: Any) -> bool:
    """Whether pruning after this epoch would save nothing."""
    return bool(trainer.current_epoch + 1 == trainer.max_epochs)


def _finite(trainer: Any, metric: str) -> float:
    """A metric after a validation.

    Raises:
        MissingMetric: if that validation did not log it.
        Diverged: if it is NaN or infinite.
    """
    value = trainer.callback_metrics.get(metric)
    if value is not None and not math.isfinite(value):
        raise Diverged(f"{metric} is {float(value)} in epoch {trainer.current_epoch + 1}")
    logged = in_validation(trainer)
    if value is None or metric not in logged:  # the value may come from training, or from an earlier validation
        names = ", ".join(sorted(logged)) or "nothing"
        raise MissingMetric(
            f'metric = "{metric}": the validation of epoch {trainer.current_epoch + 1} does not log it; it logs {names}'
        )
    return float(value)
