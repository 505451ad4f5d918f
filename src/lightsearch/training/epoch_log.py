"""The metrics of every epoch, collected in a fit and written as ``epochs.csv``."""

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
    """Every epoch's metrics, in memory and in a CSV file.

    Args:
        path: The CSV file; None: in memory alone.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.history: list[dict[str, float]] = []
        """One row an epoch: ``epoch`` (from 0), every metric logged, ``seconds``. Where validation comes every n steps,
        one row a validation, which ``epoch`` counts then."""
        self.seconds_before = 0.0
        """Seconds trained before a resume."""

    def best(self, metric: str, mode: Literal["max", "min"]) -> dict[str, float] | None:
        """The row of the best epoch, the first of equals; None if no epoch has ended with the metric."""
        rows = [row for row in self.history if metric in row]
        choose = max if mode == "max" else min
        return choose(rows, key=lambda row: row[metric]) if rows else None

    def add(self, row: dict[str, float]) -> None:
        """Adds an epoch, and writes the file anew."""
        self.history.append(row)
        self.write()

    def write(self) -> None:
        """Writes the file anew; without an epoch there is none."""
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
    """Whether validation comes every n steps (``val_check_interval``), and takes the place of epochs."""
    return is_part_of_epoch(trainer.val_check_interval)


def is_part_of_epoch(val_check_interval: Any) -> bool:
    """Whether it asks for validation every n steps: 1 is every step, 1.0 is every epoch."""
    return val_check_interval is not None and (type(val_check_interval) is int or val_check_interval != 1.0)


def validates_now(trainer: Any) -> bool:
    """Whether the running epoch has a validation (``check_val_every_n_epoch``)."""
    every = trainer.check_val_every_n_epoch
    return every is None or (trainer.current_epoch + 1) % every == 0


def log_callback(lightning: ModuleType, log: EpochLog) -> Any:
    """The callback that fills the log.

    A ``Checkpoint`` by type, since Lightning calls those after the module's ``on_train_epoch_end``, which logs too.
    """
    return based_on(lightning.callbacks.Checkpoint, LogEpochs)(log)


class LogEpochs:
    """Fills the log, and stops at a loss that is no number."""

    def __init__(self, log: EpochLog) -> None:
        super().__init__()
        self._log = log
        self._began = time.perf_counter()
        self._before: dict[str, Any] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._began = time.perf_counter()
        self._log.write()  # what an earlier attempt wrote of epochs that are trained again is void

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if validates_within_epochs(trainer) and not trainer.sanity_checking:
            self._add(trainer, len(self._log.history))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not validates_within_epochs(trainer):
            self._add(trainer, trainer.current_epoch)

    def _add(self, trainer: Any, epoch: int) -> None:
        now = time.perf_counter()
        logged = dict(trainer.callback_metrics)
        # What was logged before, and not again, is there still: the same tensor.
        metrics = {name: float(value) for name, value in logged.items() if value is not self._before.get(name)}
        self._before = logged
        for name, value in metrics.items():
            if "loss" in name and not math.isfinite(value):
                raise Diverged(f"{name} is {value} in epoch {trainer.current_epoch}")
        self._log.add({"epoch": epoch, **metrics, "seconds": round(now - self._began, 4)})
        self._began = now

    def state_dict(self) -> dict[str, Any]:
        return {"history": self._log.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._log.history = state_dict["history"]
        self._log.seconds_before = sum(row["seconds"] for row in self._log.history)
