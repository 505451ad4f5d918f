"""One fit with a Lightning Trainer: every training of lightsearch goes through ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import seed_everything

from lightsearch.compat.lightning_package import data_for, package_of_model
from lightsearch.paths import PARENT, PREVIOUS
from lightsearch.training import safe_loading
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog, log_callback
from lightsearch.training.metric_states import KeepMetrics
from lightsearch.training.plan import Plan
from lightsearch.training.quiet import quiet
from lightsearch.training.rank import SINGLE_RANK, Rank
from lightsearch.training.resume import BeginNextEpoch, match_precision, resume_point
from lightsearch.training.seeding import SeedEpochs
from lightsearch.training.stopped_by import RememberStop
from lightsearch.training.trainer import make_trainer


class Fit(NamedTuple):
    """How a fit ended, and where it ran."""

    stop_reason: str
    """``max_epochs``, ``early_stopping``, ``paused``, ``epochs`` (of a fit without validation), the user's callback or
    module that ended it (``EarlyStopping(val_loss)``, ``Timer``, ``MyNet``), or ``stopped`` (another limit of the
    Trainer)."""
    device: str
    """``cpu``, ``cuda:0``, ``2 x cuda``, ..."""
    threads: int
    """CPU threads of each of its processes."""
    epoch_seeds: list[int]
    """The seed of each epoch, if the trial trained in a pack; otherwise empty: the seeds follow from the trial's."""
    n_val: int | None = None
    """Number of validation samples; None: unknown."""

    @classmethod
    def of(cls, trainer: Any, stop_reason: str) -> Fit:
        """A fit that has ended, or has paused."""
        (seeds,) = [callback for callback in trainer.callbacks if isinstance(callback, SeedEpochs)]
        return cls(
            stop_reason=stop_reason,
            device=_device(trainer),
            threads=torch.get_num_threads(),
            epoch_seeds=seeds.epoch_seeds if seeds.in_pack else [],
            n_val=_n_val(trainer),
        )


def fit(
    components: Components,
    plan: Plan,
    *,
    folder: Path,
    log: EpochLog,
    callbacks: Sequence[Any] = (),
    epoch_seeds: Sequence[int] = (),
    rank: Rank = SINGLE_RANK,
    parent: dict[str, Any] | None = None,
) -> Fit:
    """Trains a model, and resumes from the folder's last whole checkpoint if there is one.

    Leaves ``last.ckpt`` and, with validation, ``best.ckpt`` in the folder, and the metrics of every epoch in ``log``.

    Args:
        components: The model and its data, the seed, keyword arguments of the Trainer, and the user's callbacks.
        plan: With validation, or a number of epochs without.
        folder: The trial's folder.
        log: Receives the metrics of every epoch; a resume restores those of earlier epochs.
        callbacks: Further callbacks of lightsearch; they run before the user's, early stopping and checkpoints.
        epoch_seeds: Seeds of the first epochs, to repeat a trial of a pack.
        rank: Which of the trial's processes this is.
        parent: The checkpoint that the trial begins from, if it is in memory; it takes the place of the file.

    Raises:
        Diverged: if a loss becomes NaN or infinite.
    """
    model, seed, keywords = components.model, components.seed, components.trainer_keywords
    quiet()
    seed_everything(seed, workers=True, verbose=False)
    lightning = package_of_model(model)
    trainer = make_trainer(
        lightning,
        {**keywords, **plan.trainer_keywords},
        folder,
        # In this order: a checkpoint holds the rows of the log up to and including its own epoch.
        [
            BeginNextEpoch(),
            *callbacks,
            SeedEpochs(seed, epoch_seeds),
            KeepMetrics(),
            RememberStop(),
            *components.callbacks,
            *plan.stopping_rules(lightning),
            log_callback(lightning, log),
            *plan.checkpoints(lightning, folder, keywords),
        ],
        rank,
    )
    _fit_or_resume(trainer, model, data_for(lightning, components.data), folder, rank, parent)
    return Fit.of(trainer, plan.stop_reason(trainer))


def _fit_or_resume(
    trainer: Any, model: Any, data: Any, folder: Path, rank: Rank, parent: dict[str, Any] | None
) -> None:
    checkpoint = rank.agreed(lambda: resume_point(folder))
    if parent is not None and checkpoint in (None, folder / PARENT):
        checkpoint = folder / PARENT
        trainer.strategy.checkpoint_io.in_memory = (checkpoint, parent)
        match_precision(model, parent["state_dict"])
    elif checkpoint is not None:
        match_precision(model, safe_loading.load(checkpoint)["state_dict"])
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    if trainer.is_global_zero:
        (folder / PREVIOUS).unlink(missing_ok=True)


def _device(trainer: Any) -> str:
    device = trainer.strategy.root_device
    return str(device) if trainer.world_size == 1 else f"{trainer.world_size} x {device.type}"


def _n_val(trainer: Any) -> int | None:
    """Number of validation samples; None if validation uses a part of them, or a loader has no length."""
    loader = trainer.val_dataloaders
    try:
        whole = trainer.num_val_batches == [len(loader)] and not loader.drop_last and trainer.world_size == 1
        return len(loader.sampler) if whole else None
    except (AttributeError, TypeError):
        return None
