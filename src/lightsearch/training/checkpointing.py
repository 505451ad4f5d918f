"""The callbacks that write a trial's checkpoints: the best epochs and the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lightsearch.compat.lightning_package import based_on
from lightsearch.training.epoch_log import LogEpochs, is_part_of_epoch, validates_now


def checkpoint_callbacks(
    lightning: ModuleType, folder: Path, metric: str, mode: str, save_top_k: int, keywords: dict[str, Any]
) -> Iterator[Any]:
    at_epoch_end = not is_part_of_epoch(keywords.get("val_check_interval"))
    checkpoint = based_on(lightning.callbacks.ModelCheckpoint, _OwnCheckpoint)
    common: dict[str, Any] = {
        "dirpath": folder,
        "enable_version_counter": False,
        "save_on_train_epoch_end": at_epoch_end,
    }
    yield checkpoint(filename="best", monitor=metric, mode=mode, save_top_k=1, **common)
    if save_top_k > 1:
        yield checkpoint(
            filename="epoch-{epoch:03d}",
            auto_insert_metric_name=False,
            monitor=metric,
            mode=mode,
            save_top_k=save_top_k,
            **common,
        )
    yield last_checkpoint(lightning, folder, at_epoch_end=at_epoch_end)


def last_checkpoint(lightning: ModuleType, folder: Path, *, at_epoch_end: bool = True) -> Any:
    """The callback that keeps ``last.ckpt``, which is to be written last, so that it holds what the others know.

    (``save_last`` of Lightning's would skip epochs that are no better.)
    """
    return based_on(lightning.callbacks.ModelCheckpoint, _OwnCheckpoint)(
        dirpath=folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=at_epoch_end
    )


class _OwnCheckpoint:
    """On top of Lightning's checkpoint, of a type of its own: a module's own checkpoints do not take its place."""

    filename: str
    monitor: str | None

    @property
    def state_key(self) -> str:
        return f"lightsearch-{self.filename}"  # Lightning's leaves out the name and save_top_k: two could collide

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        super().setup(trainer, pl_module, stage)  # type: ignore[misc]
        # Lightning puts the module's own behind these; the last one is to hold what they know.
        trainer.callbacks = sorted(trainer.callbacks, key=lambda one: isinstance(one, LogEpochs | _OwnCheckpoint))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.monitor is None or validates_now(trainer):  # else the metric is that of an earlier epoch
            super().on_train_epoch_end(trainer, pl_module)  # type: ignore[misc]
