"""The two kinds of fit: with validation, as in a trial, and without, for a known number of epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

from lightsearch.declare.study_file import StudyFile
from lightsearch.training.checkpoint_callbacks import best_checkpoints, last_checkpoint
from lightsearch.training.epoch_log import is_part_of_epoch
from lightsearch.training.stopping import Pause, StopAfter, early_stopping, pause_after, stop_reason


@dataclass(frozen=True)
class WithValidation:
    """The metric decides which epoch is the best, when early stopping ends the fit, and which checkpoints are kept."""

    metric: str
    """The metric, logged in validation."""
    mode: Literal["max", "min"]
    """Whether a higher or a lower value is better."""
    patience: int = 0
    """Validations without improvement after which the fit ends; 0: early stopping is off."""
    min_delta: float = 0.0
    """The smallest change that counts as an improvement."""
    save_top_k: int = 1
    """Number of best epochs whose checkpoints are kept."""
    pause: Pause | None = None
    """When the fit pauses; None: it does not."""

    trainer_keywords: ClassVar[dict[str, Any]] = {}

    @classmethod
    def of(cls, study_file: StudyFile, pause: Pause | None = None) -> WithValidation:
        """The plan of a study's trial."""
        trainer = study_file.trainer
        return cls(study_file.metric, study_file.mode, trainer.patience, trainer.min_delta, trainer.save_top_k, pause)

    def stopping_rules(self, lightning: ModuleType) -> list[Any]:
        """The callbacks that may end the fit before ``max_epochs``."""
        return [early_stopping(lightning, self.metric, self.mode, self.patience, self.min_delta)]

    def checkpoints(self, lightning: ModuleType, folder: Path, keywords: dict[str, Any]) -> Iterator[Any]:
        """The callbacks that write ``best.ckpt``, ``last.ckpt`` and, for ``save_top_k`` > 1, ``epoch-*.ckpt``, and the
        one that pauses the fit after them."""
        at_epoch_end = not is_part_of_epoch(keywords.get("val_check_interval"))
        yield from best_checkpoints(
            lightning, folder, self.metric, self.mode, self.save_top_k, at_epoch_end=at_epoch_end
        )
        yield last_checkpoint(lightning, folder, at_epoch_end=at_epoch_end)
        if self.pause is not None:
            yield pause_after(lightning, self.pause)

    def stop_reason(self, trainer: Any) -> str:
        return stop_reason(trainer)


@dataclass(frozen=True)
class WithoutValidation:
    """The fit trains a fixed number of epochs and keeps the last one. The model need not log anything."""

    epochs: int
    """Total number of epochs, including those before a resume."""

    trainer_keywords: ClassVar[dict[str, Any]] = {"limit_val_batches": 0}

    def stopping_rules(self, lightning: ModuleType) -> list[Any]:  # noqa: ARG002
        """The callback that ends the fit."""
        return [StopAfter(self.epochs)]

    def checkpoints(self, lightning: ModuleType, folder: Path, keywords: dict[str, Any]) -> Iterator[Any]:  # noqa: ARG002
        """The callback that writes ``last.ckpt``."""
        yield last_checkpoint(lightning, folder)

    def stop_reason(self, trainer: Any) -> str:
        return trainer.stopped_by or "epochs"


Plan = WithValidation | WithoutValidation
