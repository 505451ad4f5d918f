"""One fit with a Lightning Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pytorch_lightning import seed_everything

from lightsearch.compat.lightning_package import based_on, data_for, package_of_model
from lightsearch.training import safe_loading
from lightsearch.training.checkpoint_files import PREVIOUS, resume_point
from lightsearch.training.checkpointing import checkpoint_callbacks
from lightsearch.training.early_stopping import ResumableEarlyStopping
from lightsearch.training.epoch_log import EpochLog, log_callback
from lightsearch.training.rank import ALONE, Rank
from lightsearch.training.seeding import SeedEpochs
from lightsearch.training.trainer import make_trainer, quiet


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
    rank: Rank = ALONE,
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
    lightning = package_of_model(model)
    seeds = SeedEpochs(seed, epoch_seeds)
    stopping = based_on(lightning.callbacks.EarlyStopping, ResumableEarlyStopping)(
        metric, mode=mode, patience=patience or 2**31, min_delta=min_delta, check_finite=False
    )
    trainer = make_trainer(
        lightning,
        keywords,
        folder,
        # In this order: a checkpoint holds the log's rows up to and with its own epoch.
        [
            *callbacks,
            seeds,
            stopping,
            log_callback(lightning, log),
            *checkpoint_callbacks(lightning, folder, metric, mode, save_top_k, keywords),
        ],
        rank,
    )
    run_fit(trainer, model, data_for(lightning, data), folder, rank)
    epoch_seeds = seeds.epoch_seeds if seeds.in_pack else []
    threads = torch.get_num_threads()
    return Fit(_stop_reason(trainer, stopping), device_of(trainer), threads, epoch_seeds, _n_val(trainer))


def run_fit(trainer: Any, model: Any, data: Any, folder: Path, rank: Rank) -> None:
    """Fits, going on from the folder's last whole checkpoint if there is one."""
    checkpoint = rank.agreed(lambda: resume_point(folder))
    if checkpoint is not None:
        take_precision(model, safe_loading.load(checkpoint)["state_dict"])
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


def _n_val(trainer: Any) -> int | None:
    """Samples of a validation; None where it sees a part of them, or what it sees has no length."""
    loader = trainer.val_dataloaders
    try:
        whole = trainer.num_val_batches == [len(loader)] and not loader.drop_last and trainer.world_size == 1
        return len(loader.sampler) if whole else None
    except (AttributeError, TypeError):
        return None


def _stop_reason(trainer: Any, stopping: Any) -> str:
    if stopping.stopping_reason.name != "NOT_STOPPED":
        return "early_stopping"
    return "max_epochs" if trainer.current_epoch == trainer.max_epochs else "stopped"
