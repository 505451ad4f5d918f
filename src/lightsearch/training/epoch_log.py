"""The metrics of every epoch, collected during a fit and written to ``epochs.csv``."""

from __future__ import annotations

import csv
import io
import math
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from lightsearch.atomic_files import write_text
from lightsearch.compat.lightning_package import based_on
from lightsearch.outcome import Diverged

EPOCHS = "epochs.csv"


class EpochLog:
    """The metrics of every epoch, in memory and in a CSV file.

    Args:
        path: The CSV file; None: only in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.history: list[dict[str, float]] = []
        """One row per epoch: ``epoch`` (from 0), every logged metric, ``seconds``. If validation runs every n steps:
        one row per validation, and ``epoch`` counts the validations."""
        self.seconds_before = 0.0
        """Seconds of training before a resume."""

    def best(self, metric: str, mode: Literal["max", "min"]) -> dict[str, float] | None:
        """The row of the best epoch, the first of equal ones; None if no epoch has logged the metric."""
        rows = [row for row in self.history if metric in row]
        choose = max if mode == "max" else min
        return choose(rows, key=lambda row: row[metric]) if rows else None

    def add(self, row: dict[str, float]) -> None:
        """Adds an epoch, and rewrites the file."""
        self.history.append(row)
        self.write()

    def write(self) -> None:
        """Rewrites the file; without an epoch it is deleted."""
        if self.path is None:
            return
        if not self.history:
            self.path.unlink(missing_ok=True)
            return
        columns = list(dict.fromkeys(name for row in self.history for name in row))
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.path, table.getvalue())


def validates_within_epochs(trainer: Any) -> bool:
    """Whether validation runs every n steps (``val_check_interval``), so that validations are counted, not epochs."""
    return is_part_of_epoch(trainer.val_check_interval)


def is_part_of_epoch(val_check_interval: Any) -> bool:
    """Whether the value asks for validation every n steps: 1 means every step, 1.0 every epoch."""
    return val_check_interval is not None and (type(val_check_interval) is int or val_check_interval != 1.0)


def validates_now(trainer: Any) -> bool:
    """Whether the current epoch has a validation (``check_val_every_n_epoch``)."""
    every = trainer.check_val_every_n_epoch
    return every is None or (trainer.current_epoch + 1) % every == 0


def log_callback(lightning: ModuleType, log: EpochLog) -> Any:
    """The callback that fills the log.

    It is a ``Checkpoint`` by type: Lightning calls those after the module's ``on_train_epoch_end``, which may log too.
    """
    return based_on(lightning.callbacks.Checkpoint, LogEpochs)(log)


class LogEpochs:
    """Mixin for Lightning's ``Checkpoint``: fills the log, and raises ``Diverged`` at a NaN or infinite loss."""

    def __init__(self, log: EpochLog) -> None:
        super().__init__()
        self._log = log
        self._began = time.perf_counter()
        self._before: dict[str, Any] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._began = time.perf_counter()
        self._log.write()  # removes epochs of an earlier attempt that are trained again

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._began = time.perf_counter()  # the trial may have paused since the last epoch

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if validates_within_epochs(trainer) and not trainer.sanity_checking:
            self._add(trainer, len(self._log.history))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not validates_within_epochs(trainer):
            self._add(trainer, trainer.current_epoch)

    def _add(self, trainer: Any, epoch: int) -> None:
        now = time.perf_counter()
        logged = dict(trainer.callback_metrics)
        # A metric that was not logged again is still there, as the same tensor.
        metrics = {name: float(value) for name, value in logged.items() if value is not self._before.get(name)}
        self._before = logged
        for name, value in metrics.items():
            if "loss" in name and not math.isfinite(value):
                raise Diverged(f"{name} is {value} in epoch {trainer.current_epoch + 1}")
        self._log.add({"epoch": epoch, **metrics, "seconds": round(now - self._began, 4)})
        self._began = now

    def state_dict(self) -> dict[str, Any]:
        return {"history": self._log.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._log.history = state_dict["history"]
        self._log.seconds_before = sum(row["seconds"] for row in self._log.history)
