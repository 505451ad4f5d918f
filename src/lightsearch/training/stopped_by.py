"""Who ended a fit: the user's callback or module that set ``trainer.should_stop``. A resumed fit still knows."""

from __future__ import annotations

import inspect
from types import FrameType
from typing import Any

from pytorch_lightning import Callback

from lightsearch.compat.lightning_package import is_lightning

KEY = "lightsearch_stopped_by"
"""Where a checkpoint holds who has ended the fit."""


class NamesStop:
    """Mixin for Lightning's ``Trainer``: notes who sets ``should_stop``."""

    stopped_by: str | None = None
    """``EarlyStopping(val_loss)``, ``Timer``, ``MyCallback``, ``MyNet``; None: nobody but lightsearch."""
    _stops = False

    @property
    def should_stop(self) -> bool:
        return self._stops

    @should_stop.setter
    def should_stop(self, value: bool) -> None:
        value = bool(value)
        if value and not self._stops:
            frame = inspect.currentframe()
            self.stopped_by = _user_of(frame and frame.f_back)
        elif not value:
            self.stopped_by = None
        self._stops = value


class RememberStop(Callback):
    """Ends a fit again that resumes after its end. Lightning's Trainer does not remember it."""

    def __init__(self) -> None:
        self._stopped_by: str | None = None

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        if trainer.should_stop and trainer.stopped_by is not None:
            checkpoint[KEY] = trainer.stopped_by

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        self._stopped_by = checkpoint.get(KEY)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self._stopped_by is not None:
            trainer.should_stop = True
            trainer.stopped_by = self._stopped_by


def _user_of(frame: FrameType | None) -> str | None:
    """The callback or the module whose method is running, if it is not lightsearch's own."""
    while frame is not None:
        own = frame.f_locals.get("self")
        cls = type(own)
        if is_lightning(cls, "callbacks.Callback") or is_lightning(cls, "LightningModule"):
            if cls.__module__.startswith("lightsearch."):
                return None
            monitor = getattr(own, "monitor", None)
            return f"{cls.__name__}({monitor})" if isinstance(monitor, str) else cls.__name__
        frame = frame.f_back
    return None
