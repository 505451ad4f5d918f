"""One fit, and one test, with a Lightning Trainer."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import math
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from pytorch_lightning.profilers import Profiler

from lightsearch.checkpoints import PREVIOUS, SafeCheckpoints, resume_point
from lightsearch.folders import write_text
from lightsearch.outcome import Diverged

EPOCHS = "epochs.csv"


class Fit(NamedTuple):
    """How a fit ended, and where it ran."""

    stop_reason: str
    """``max_epochs``, ``early_stopping``, or ``stopped`` (by a callback, or another limit of the Trainer)."""
    device: str
    """``cpu``, ``cuda:0``, ..."""
    threads: int
    """CPU threads."""


def fit(
    model: LightningModule,
    data: LightningDataModule,
    *,
    folder: Path,
    seed: int,
    metric: str,
    mode: Literal["max", "min"],
    patience: int,
    min_delta: float = 0.0,
    save_top_k: int = 1,
    keywords: dict[str, Any],
    log: EpochLog,
    callbacks: Sequence[Any] = (),
) -> Fit:
    """Trains ``model`` on ``data``, going on from the folder's last whole checkpoint if there is one.

    Leaves ``best.ckpt`` and ``last.ckpt`` in the folder, and every epoch's metrics in ``log``.

    Args:
        model: Logs ``metric`` in validation.
        data: Training and validation loaders.
        folder: The trial's folder.
        seed: Every epoch's random numbers come from it and the epoch's number.
        metric: The logged metric that decides which epoch is the best, and early stopping.
        mode: Whether more of it is better.
        patience: Epochs without a better metric after which to stop; 0: never.
        min_delta: The least change that counts as better.
        save_top_k: Best epochs whose checkpoints are kept.
        keywords: Further keyword arguments of the Trainer.
        log: Takes the epochs' metrics; those before a resume are put back into it.
        callbacks: Further callbacks; they run before early stopping and checkpoints.

    Raises:
        Diverged: if a loss becomes NaN or infinite.
    """
    quiet()
    seed_everything(seed, workers=True, verbose=False)
    stopping = _EarlyStopping(metric, mode=mode, patience=patience or 2**31, min_delta=min_delta, check_finite=False)
    trainer = make_trainer(
        keywords,
        folder,
        # In this order: a checkpoint holds the log's rows up to and with its own epoch.
        [*callbacks, SeedEpochs(seed), stopping, log, *_checkpoints(folder, metric, mode, save_top_k)],
    )
    trainer.fit(model, datamodule=data, ckpt_path=resume_point(folder), weights_only=True)
    (folder / PREVIOUS).unlink(missing_ok=True)
    return Fit(_stop_reason(trainer, stopping), str(trainer.strategy.root_device), torch.get_num_threads())


def test(model: LightningModule, loader: Any, *, folder: Path, keywords: dict[str, Any]) -> dict[str, float]:
    """The metrics that ``model`` logs on a test loader.

    Args:
        model: In the state to be tested.
        loader: The test batches.
        folder: Lightning's root folder; nothing is written to it.
        keywords: Keyword arguments of the Trainer (precision and devices matter here).
    """
    quiet()
    trainer = make_trainer({**keywords, "max_epochs": 1}, folder, [])
    metrics = trainer.test(model, dataloaders=loader, verbose=False)[0]
    return {name: float(value) for name, value in metrics.items()}


class EpochLog(Checkpoint):
    """Keeps every epoch's metrics, in memory and in a CSV file, and stops at a loss that is no number.

    A ``Checkpoint`` by type, since Lightning calls those after the module's ``on_train_epoch_end``, which logs too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.history: list[dict[str, float]] = []
        """One row an epoch: ``epoch`` (from 0), every metric logged, ``seconds``."""
        self.seconds_before = 0.0
        """Seconds trained before a resume."""
        self._began = time.perf_counter()

    def best(self, metric: str, mode: Literal["max", "min"]) -> dict[str, float] | None:
        """The row of the best epoch, the first of equals; None if no epoch has ended with the metric."""
        rows = [row for row in self.history if metric in row]
        choose = max if mode == "max" else min
        return choose(rows, key=lambda row: row[metric]) if rows else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        now = time.perf_counter()
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for name, value in metrics.items():
            if "loss" in name and not math.isfinite(value):
                raise Diverged(f"{name} is {value} in epoch {trainer.current_epoch}")
        self.history.append({"epoch": trainer.current_epoch, **metrics, "seconds": round(now - self._began, 4)})
        self._began = now
        self._write()

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]
        self.seconds_before = sum(row["seconds"] for row in self.history)

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.history for name in row))
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.path, table.getvalue())


class SeedEpochs(Callback):
    """Seeds every epoch from (seed, epoch): a resumed fit goes on as if it had never stopped."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        torch.manual_seed((self.seed << 16) + trainer.current_epoch)


def quiet() -> None:
    """Silences what Lightning prints about itself; errors are still raised."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*sync_dist=True.*",
        ".*exists and is not empty.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message)


def make_trainer(keywords: dict[str, Any], folder: Path, callbacks: list[Any]) -> Trainer:
    """A Trainer that prints nothing, logs nowhere and checkpoints only what ``callbacks`` say.

    Args:
        keywords: Keyword arguments of the Trainer; they come before the defaults made here.
        folder: Its root folder.
        callbacks: Its callbacks; without any it writes no checkpoints.
    """
    defaults: dict[str, Any] = {
        "accelerator": "auto",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": folder,
        "enable_checkpointing": bool(callbacks),
        "profiler": _NoProfiler(),
        "plugins": [SafeCheckpoints()],
    }
    trainer = Trainer(**{**defaults, **keywords}, callbacks=callbacks)
    if trainer.strategy.root_device.type == "cpu":
        # Lightning has torch.cuda.is_available() ask the driver's library, which an optimizer then loads in every step.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return trainer


class _EarlyStopping(EarlyStopping):
    """Lightning's, which forgets that it had ended the fit when it goes on from that epoch's checkpoint."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self.wait_count >= self.patience:
            trainer.should_stop = True
            self.stopping_reason = EarlyStoppingReason.PATIENCE_EXHAUSTED


class _NoProfiler(Profiler):
    """Lightning's own is entered fifty times a step, which costs a tenth of a small model's step."""

    _nothing = contextlib.nullcontext()

    def start(self, action_name: str) -> None:
        pass

    def stop(self, action_name: str) -> None:
        pass

    def profile(self, action_name: str) -> Any:  # noqa: ARG002
        return self._nothing


def _checkpoints(folder: Path, metric: str, mode: str, save_top_k: int) -> Iterator[ModelCheckpoint]:
    common: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False, "save_on_train_epoch_end": True}
    yield ModelCheckpoint(filename="best", monitor=metric, mode=mode, save_top_k=1, **common)
    if save_top_k > 1:
        yield _TopK(
            filename="epoch-{epoch:03d}",
            auto_insert_metric_name=False,
            monitor=metric,
            mode=mode,
            save_top_k=save_top_k,
            **common,
        )
    # Written last, so that it holds what the others know. (save_last would skip epochs that are no better.)
    yield ModelCheckpoint(filename="last", **common)


class _TopK(ModelCheckpoint):
    @property
    def state_key(self) -> str:
        # Lightning's own key leaves out save_top_k, so that this one and the best's would collide.
        return f"{super().state_key}-top{self.save_top_k}"


def _stop_reason(trainer: Trainer, stopping: EarlyStopping) -> str:
    if stopping.stopping_reason is not EarlyStoppingReason.NOT_STOPPED:
        return "early_stopping"
    return "max_epochs" if trainer.current_epoch == trainer.max_epochs else "stopped"
