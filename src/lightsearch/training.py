"""One fit with a Lightning Trainer."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import math
import os
import random
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pytorch_lightning import Callback, seed_everything
from torch.utils.data import DataLoader

from lightsearch import devices, harmless
from lightsearch.checkpoints import PREVIOUS, SafeCheckpoints, resume_point
from lightsearch.flavours import based_on, data_for, of_model
from lightsearch.folders import write_text
from lightsearch.loggers import hyperparameters_once, no_logger
from lightsearch.outcome import Diverged

EPOCHS = "epochs.csv"
VALIDATION = 1 << 62
"""Tells the seed of an epoch's validation from that of its training."""


class Fit(NamedTuple):
    """How a fit ended, and where it ran."""

    stop_reason: str
    """``max_epochs``, ``early_stopping``, or ``stopped`` (by a callback, or another limit of the Trainer)."""
    device: str
    """``cpu``, ``cuda:0``, ``2 x cuda``, ..."""
    threads: int
    """CPU threads, of each of its processes."""
    epoch_seeds: list[int]
    """The epochs' seeds, if it trained in a pack; else they are the trial's own, and this is empty."""
    n_val: int | None = None
    """Samples of a validation, if that can be told."""


def fit(
    model: Any,
    data: Any,
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
    epoch_seeds: Sequence[int] = (),
    rank: devices.Rank = devices.ALONE,
) -> Fit:
    """Trains ``model`` on ``data``, going on from the folder's last whole checkpoint if there is one.

    Leaves ``best.ckpt`` and ``last.ckpt`` in the folder, and every epoch's metrics in ``log``.

    Args:
        model: A LightningModule that logs ``metric`` in validation.
        data: A LightningDataModule with training and validation loaders.
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
        epoch_seeds: Seeds of the first epochs, of a trial of a pack that is done again.
        rank: Which of the trial's processes this is.

    Raises:
        Diverged: if a loss becomes NaN or infinite.
    """
    quiet()
    seed_everything(seed, workers=True, verbose=False)
    flavour = of_model(model)
    seeds = SeedEpochs(seed, epoch_seeds)
    stopping = based_on(flavour.callbacks.EarlyStopping, _EarlyStopping)(
        metric, mode=mode, patience=patience or 2**31, min_delta=min_delta, check_finite=False
    )
    trainer = make_trainer(
        flavour,
        keywords,
        folder,
        # In this order: a checkpoint holds the log's rows up to and with its own epoch.
        [
            *callbacks,
            seeds,
            stopping,
            log_callback(flavour, log),
            *_checkpoints(flavour, folder, metric, mode, save_top_k, keywords),
        ],
        rank,
    )
    run_fit(trainer, model, data_for(flavour, data), folder, rank)
    epoch_seeds = seeds.epoch_seeds if seeds.in_pack else []
    threads = torch.get_num_threads()
    return Fit(_stop_reason(trainer, stopping), device_of(trainer), threads, epoch_seeds, _n_val(trainer))


def run_fit(trainer: Any, model: Any, data: Any, folder: Path, rank: devices.Rank) -> None:
    """Fits, going on from the folder's last whole checkpoint if there is one."""
    checkpoint = rank.agreed(lambda: resume_point(folder))
    if checkpoint is not None:
        take_precision(model, harmless.load(checkpoint)["state_dict"])
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    if trainer.is_global_zero:
        (folder / PREVIOUS).unlink(missing_ok=True)


def take_precision(model: Any, state_dict: dict[str, Any]) -> None:
    """Gives a model that was just built the precision of its checkpoint's weights.

    With ``precision="64-true"`` a Trainer converts the model only after it has loaded the weights, and would cut them
    to float32 on the way.

    Args:
        model: A LightningModule.
        state_dict: The checkpoint's weights.
    """
    saved = {value.dtype for value in state_dict.values() if isinstance(value, torch.Tensor)}
    saved = {dtype for dtype in saved if dtype.is_floating_point}
    own = {weights.dtype for weights in model.parameters() if weights.dtype.is_floating_point}
    if len(saved) == 1 and own and not saved & own:
        model.to(saved.pop())


def device_of(trainer: Any) -> str:
    """What a Trainer trains on: ``cpu``, ``cuda:0``, ``2 x cuda``, ..."""
    device = trainer.strategy.root_device
    return str(device) if trainer.world_size == 1 else f"{trainer.world_size} x {device.type}"


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
    return _is_part_of_epoch(trainer.val_check_interval)


def _is_part_of_epoch(val_check_interval: Any) -> bool:
    """Whether it asks for validation every n steps: 1 is every step, 1.0 is every epoch."""
    return val_check_interval is not None and (type(val_check_interval) is int or val_check_interval != 1.0)


def validates_now(trainer: Any) -> bool:
    """Whether the running epoch has a validation (``check_val_every_n_epoch``)."""
    every = trainer.check_val_every_n_epoch
    return every is None or (trainer.current_epoch + 1) % every == 0


def log_callback(flavour: ModuleType, log: EpochLog) -> Any:
    """The callback that fills the log.

    A ``Checkpoint`` by type, since Lightning calls those after the module's ``on_train_epoch_end``, which logs too.
    """
    return based_on(flavour.callbacks.Checkpoint, _LogEpochs)(log)


class _LogEpochs:
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


def _n_val(trainer: Any) -> int | None:
    """Samples of a validation; None where it sees a part of them, or what it sees has no length."""
    loader = trainer.val_dataloaders
    try:
        whole = trainer.num_val_batches == [len(loader)] and not loader.drop_last and trainer.world_size == 1
        return len(loader.sampler) if whole else None
    except (AttributeError, TypeError):
        return None


def seed_epoch(seed: int) -> None:
    """Seeds everything that draws random numbers in this process: torch with its GPUs, numpy, and Python itself.

    Args:
        seed: Not negative, below 2**64.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])  # numpy's own seeds are below 2**32


class SeedEpochs(Callback):
    """Seeds every epoch from (seed, epoch): a resumed fit goes on as if it had never stopped.

    The validation at an epoch's end is seeded as well: in a pack others have had their turns before it.

    Args:
        seed: The trial's seed.
        epoch_seeds: Seeds of the first epochs, where they are to be those of a pack.
    """

    def __init__(self, seed: int, epoch_seeds: Sequence[int] = ()) -> None:
        self.seed = seed
        self.given = epoch_seeds
        self.epoch_seeds: list[int] = []
        """Each epoch's seed so far; in a pack it is its senior's, whose order of batches all members share."""
        self.in_pack = False
        """Whether an epoch was trained in a pack."""
        self._first = True

    def epoch_seed(self, epoch: int) -> int:
        """The seed of an epoch, where no pack decides it."""
        return self.given[epoch] if epoch < len(self.given) else (self.seed << 16) + epoch

    def follow(self, seed: int) -> None:
        """Takes the order of batches of a pack's senior for the epoch that has begun."""
        self.epoch_seeds[-1] = seed
        self.in_pack = True

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        epoch = trainer.current_epoch
        self.epoch_seeds[epoch:] = [self.epoch_seed(epoch)]
        seed_epoch(self.epoch_seed(epoch))
        if self._first:  # Lightning has made this epoch's iterators already; it makes the others' after this
            if epoch > 0 and any(getattr(loader, "num_workers", 0) for loader in _train_loaders(trainer)):
                iter(trainer.fit_loop._data_fetcher)  # its processes have drawn their seeds and batches before
            else:
                draw_base_seeds(trainer)
        self._first = False

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self.epoch_seeds and not trainer.sanity_checking and not validates_within_epochs(trainer):
            seed_epoch(self.epoch_seeds[-1] ^ VALIDATION)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch_seeds": self.epoch_seeds, "in_pack": self.in_pack}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch_seeds, self.in_pack = list(state_dict["epoch_seeds"]), state_dict["in_pack"]


def draw_base_seeds(trainer: Any) -> None:
    """Draws the numbers that the iterators of the training loaders draw when they are made.

    So an epoch's batches come in one order, whether its seed was set before its iterators were made or after.
    """
    for loader in _train_loaders(trainer):
        if isinstance(loader, DataLoader):
            torch.empty((), dtype=torch.int64).random_(generator=loader.generator)


def _train_loaders(trainer: Any) -> list[Any]:
    return list(trainer.fit_loop._combined_loader.flattened)


@contextlib.contextmanager
def weights_alone() -> Iterator[None]:
    """Where a checkpoint is loaded for its weights: Lightning need not warn that its callbacks are not there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*callbacks used to create the checkpoint.*")
        yield


def quiet() -> None:
    """Silences what Lightning prints about itself; errors are still raised."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*sync_dist=True.*",
        ".*exists and is not empty.*",
        ".*The dirpath has changed.*",  # a module's own ModelCheckpoint, where its checkpoint is tested or loaded
        ".*LeafSpec.*",
        ".*`srun` command is available.*",
    ):
        warnings.filterwarnings("ignore", message)


def make_trainer(
    flavour: ModuleType,
    keywords: dict[str, Any],
    folder: Path,
    callbacks: list[Any],
    rank: devices.Rank = devices.ALONE,
) -> Any:
    """A Trainer that prints nothing, logs nowhere and checkpoints only what ``callbacks`` say.

    Args:
        flavour: The copy of Lightning that the model is of.
        keywords: Keyword arguments of the Trainer; they come before the defaults made here.
        folder: Its root folder.
        callbacks: Its callbacks; without any it writes no checkpoints.
        rank: Which of the trial's processes it is for.
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
        "profiler": based_on(flavour.profilers.Profiler, _NoProfiler)(),
        "plugins": [based_on(flavour.plugins.io.TorchCheckpointIO, SafeCheckpoints)(folder)],
    }
    given = {**defaults, **keywords, "callbacks": [*callbacks, hyperparameters_once(flavour)]}
    given["logger"] = given["logger"] or no_logger(flavour, folder)
    trainer = rank.trainer(flavour, given)
    if trainer.strategy.root_device.type == "cpu":
        # Lightning has torch.cuda.is_available() ask the driver's library, which an optimizer then loads in every step.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return trainer


class _EarlyStopping:
    """On top of Lightning's, which forgets that it had ended the fit when it goes on from that epoch's checkpoint."""

    wait_count: int
    patience: int
    stopping_reason: Any

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self.wait_count >= self.patience:
            self.stopping_reason = type(self.stopping_reason).PATIENCE_EXHAUSTED
        if any(one.wait_count >= one.patience for one in trainer.early_stopping_callbacks):  # the module's own included
            trainer.should_stop = True


class _NoProfiler:
    """On top of Lightning's, which is entered fifty times a step, which costs a tenth of a small model's step."""

    _nothing = contextlib.nullcontext()

    def start(self, action_name: str) -> None:
        pass

    def stop(self, action_name: str) -> None:
        pass

    def profile(self, action_name: str) -> Any:  # noqa: ARG002
        return self._nothing


def _checkpoints(
    flavour: ModuleType, folder: Path, metric: str, mode: str, save_top_k: int, keywords: dict[str, Any]
) -> Iterator[Any]:
    at_epoch_end = not _is_part_of_epoch(keywords.get("val_check_interval"))
    checkpoint = based_on(flavour.callbacks.ModelCheckpoint, _OwnCheckpoint)
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
    yield last_checkpoint(flavour, folder, at_epoch_end=at_epoch_end)


def last_checkpoint(flavour: ModuleType, folder: Path, *, at_epoch_end: bool = True) -> Any:
    """The callback that keeps ``last.ckpt``, which is to be written last, so that it holds what the others know.

    (``save_last`` of Lightning's would skip epochs that are no better.)
    """
    return based_on(flavour.callbacks.ModelCheckpoint, _OwnCheckpoint)(
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
        trainer.callbacks = sorted(trainer.callbacks, key=lambda one: isinstance(one, _LogEpochs | _OwnCheckpoint))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.monitor is None or validates_now(trainer):  # else the metric is that of an earlier epoch
            super().on_train_epoch_end(trainer, pl_module)  # type: ignore[misc]


def _stop_reason(trainer: Any, stopping: Any) -> str:
    if stopping.stopping_reason.name != "NOT_STOPPED":
        return "early_stopping"
    return "max_epochs" if trainer.current_epoch == trainer.max_epochs else "stopped"
