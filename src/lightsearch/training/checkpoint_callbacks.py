"""The callbacks that write a trial's checkpoints: the best epochs and the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from lightsearch.compat.lightning_package import based_on
from lightsearch.training.epoch_log import LogEpochs, validates_now
from lightsearch.training.stopping import PauseAfter


def best_checkpoints(
    lightning: ModuleType,
    folder: Path,
    metric: str,
    mode: Literal["max", "min"],
    save_top_k: int,
    *,
    at_epoch_end: bool,
) -> Iterator[Any]:
    """The callbacks that keep ``best.ckpt`` and, for ``save_top_k`` > 1, the best epochs as ``epoch-*.ckpt``."""
    checkpoint = based_on(lightning.callbacks.ModelCheckpoint, _OwnCheckpoint)
    common: dict[str, Any] = {
        "dirpath": folder,
        "monitor": metric,
        "mode": mode,
        "enable_version_counter": False,
        "save_on_train_epoch_end": at_epoch_end,
    }
    yield checkpoint(filename="best", save_top_k=1, **common)
    if save_top_k > 1:
        yield checkpoint(filename="epoch-{epoch:03d}", auto_insert_metric_name=False, save_top_k=save_top_k, **common)


def last_checkpoint(lightning: ModuleType, folder: Path, *, at_epoch_end: bool = True) -> Any:
    """The callback that keeps ``last.ckpt``. It must come last, so that the file holds the state of the others.

    (Lightning's ``save_last`` skips epochs that are no improvement.)
    """
    return based_on(lightning.callbacks.ModelCheckpoint, _OwnCheckpoint)(
        dirpath=folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=at_epoch_end
    )


class _OwnCheckpoint:
    """Mixin for Lightning's ``ModelCheckpoint``. As a type of its own it is not replaced by a module's checkpoints."""

    filename: str
    monitor: str | None

    @property
    def state_key(self) -> str:
        return f"lightsearch-{self.filename}"  # Lightning's key has no name and no save_top_k: two could collide

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        super().setup(trainer, pl_module, stage)  # type: ignore[misc]
        # Lightning appends the module's own callbacks; the last checkpoint must hold their state as well.
        trainer.callbacks = sorted(trainer.callbacks, key=_place)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.monitor is None or validates_now(trainer):  # otherwise the metric is that of an earlier epoch
            super().on_train_epoch_end(trainer, pl_module)  # type: ignore[misc]


def is_of_one_trial(callback: Any) -> bool:
    """Whether the state of a callback is about a trial's own epochs: its log, and its best checkpoints."""
    return isinstance(callback, LogEpochs | _OwnCheckpoint)


def _place(callback: Any) -> int:
    """The place of a callback: checkpoints after all others, and then what pauses the fit."""
    return 2 if isinstance(callback, PauseAfter) else int(isinstance(callback, LogEpochs | _OwnCheckpoint))
