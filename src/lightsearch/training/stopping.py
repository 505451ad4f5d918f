"""Rules that end a fit before ``max_epochs``. The pruner, which compares a trial with others, is in ``pruning``.

A new rule is a callback here, and a line in ``WithValidation.stopping_rules`` (``plan``). It has a ``state_dict``, so
that it continues after a resume; its ``on_train_start`` ends a fit again that resumes after its end; on several devices
all processes decide alike (``trainer.strategy.broadcast``). ``stop_reason`` names the rules that are early
stopping.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, NamedTuple

from pytorch_lightning import Callback

from lightsearch.compat.lightning_package import based_on
from lightsearch.outcome import EARLY_STOPPING
from lightsearch.training.epoch_log import validates_now

NEVER = 2**31
"""A patience that no fit exceeds: Lightning has no value for "never"."""


def early_stopping(
    lightning: ModuleType, metric: str, mode: Literal["max", "min"], patience: int, min_delta: float
) -> Any:
    """Lightning's early stopping, made safe to resume; ``patience`` 0 never stops."""
    return based_on(lightning.callbacks.EarlyStopping, ResumableEarlyStopping)(
        metric, mode=mode, patience=patience or NEVER, min_delta=min_delta, check_finite=False
    )


class ResumableEarlyStopping:
    """Mixin for Lightning's ``EarlyStopping``, which does not remember across a resume that it had ended the fit."""

    wait_count: int
    patience: int
    stopping_reason: Any

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self.wait_count >= self.patience:
            self.stopping_reason = type(self.stopping_reason).PATIENCE_EXHAUSTED
        if any(one.wait_count >= one.patience for one in trainer.early_stopping_callbacks):  # the module's own included
            trainer.should_stop = True


class Pause(NamedTuple):
    """When a fit pauses, and what happens then."""

    epochs: int
    """The number of epochs, including those before a resume. If the last of them is not validated, the fit pauses after
    the next validation."""
    wait: Callable[[Any], int | None] = lambda trainer: None  # noqa: ARG005
    """Called with the Trainer when the fit pauses, after the last checkpoint. It returns the number of epochs after
    which the fit pauses again; None: the fit ends, and the trial continues later with another one."""


def pause_after(lightning: ModuleType, pause: Pause) -> Any:
    """The callback that pauses a fit. It has to be the last one, after those that end the fit for good and those that
    write checkpoints; Lightning calls callbacks of the type ``Checkpoint`` last."""
    return based_on(lightning.callbacks.Checkpoint, PauseAfter)(pause)


class PauseAfter:
    """Mixin for Lightning's ``Checkpoint``: pauses a fit, unless another rule ends it after the same epoch.

    It keeps no state in checkpoints, so that the next fit goes on.

    Args:
        pause: When, and what happens then.
    """

    def __init__(self, pause: Pause) -> None:
        super().__init__()
        self._epochs, self._wait = pause
        self.paused = False
        """Whether the fit has ended with a pause."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        # Its process died after a pause, before the outcome was written.
        self._pause(trainer, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if validates_now(trainer):
            self._pause(trainer, trainer.current_epoch + 1)

    def _pause(self, trainer: Any, trained: int) -> None:
        if trained < self._epochs or trainer.should_stop or trained >= trainer.max_epochs:
            return
        following = self._wait(trainer)
        if following is None:
            self.paused = trainer.should_stop = True
        else:
            self._epochs = following


class StopAfter(Callback):
    """Ends a fit after a number of epochs, in the same way as early stopping and pruning.

    ``max_epochs`` keeps its value, because a learning-rate schedule may be computed from it. Early stopping is removed.

    Args:
        epochs: Total number of epochs, including those before a resume.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        # The user's early stopping may watch a validation that this fit does not have.
        trainer.callbacks = [one for one in trainer.callbacks if one not in trainer.early_stopping_callbacks]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if trainer.current_epoch >= self.epochs:  # resumed after the last epoch
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True


def stop_reason(trainer: Any) -> str:
    """Why a fit ended: see ``Fit.stop_reason``."""
    if any(isinstance(callback, PauseAfter) and callback.paused for callback in trainer.callbacks):
        return "paused"
    for callback in trainer.callbacks:
        if isinstance(callback, ResumableEarlyStopping) and callback.stopping_reason.name != "NOT_STOPPED":
            return EARLY_STOPPING
    if trainer.should_stop and trainer.stopped_by is not None:
        return str(trainer.stopped_by)
    return "max_epochs" if trainer.current_epoch == trainer.max_epochs else "stopped"
