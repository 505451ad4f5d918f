"""Lightning's early stopping, made safe to resume."""

from __future__ import annotations

from typing import Any


class ResumableEarlyStopping:
    """On top of Lightning's, which forgets that it had ended the fit when it goes on from that epoch's checkpoint."""

    wait_count: int
    patience: int
    stopping_reason: Any

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self.wait_count >= self.patience:
            self.stopping_reason = type(self.stopping_reason).PATIENCE_EXHAUSTED
        if any(one.wait_count >= one.patience for one in trainer.early_stopping_callbacks):  # the module's own included
            trainer.should_stop = True
