"""Training for a number of epochs that is known beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, seed_everything

from lightsearch.compat.lightning_package import data_for, package_of_model
from lightsearch.training.checkpointing import last_checkpoint
from lightsearch.training.epoch_log import EpochLog, log_callback
from lightsearch.training.fit import device_of, run_fit
from lightsearch.training.rank import ALONE, Rank
from lightsearch.training.seeding import SeedEpochs
from lightsearch.training.trainer import make_trainer, quiet


class StopAfter(Callback):
    """Ends a fit after a number of epochs, as early stopping and pruning do.

    ``max_epochs`` stays what it is in a trial: a learning-rate schedule may be made from it.

    Args:
        epochs: How many, those before a resume included.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        # There is no validation that a module's own early stopping could watch.
        trainer.callbacks = [one for one in trainer.callbacks if one not in trainer.early_stopping_callbacks]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if trainer.current_epoch >= self.epochs:  # resumed after the last of them
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True


def fit_without_validation(
    model: Any,
    data: Any,
    *,
    epochs: int,
    folder: Path,
    seed: int,
    keywords: dict[str, Any],
    log: EpochLog,
    rank: Rank = ALONE,
) -> str:
    """Trains ``model`` on all of ``data``, going on from the folder's last whole checkpoint; leaves ``last.ckpt``.

    Args:
        model: Need not log anything.
        data: Training loaders.
        epochs: How many epochs to train.
        folder: The run's folder.
        seed: Every epoch's random numbers come from it and the epoch's number.
        keywords: Further keyword arguments of the Trainer.
        log: Takes the epochs' metrics.
        rank: Which of the run's processes this is.

    Returns:
        The device: ``cpu``, ``cuda:0``, ``2 x cuda``, ...
    """
    quiet()
    seed_everything(seed, workers=True, verbose=False)
    lightning = package_of_model(model)
    keep_last = last_checkpoint(lightning, folder)
    callbacks = [SeedEpochs(seed), StopAfter(epochs), log_callback(lightning, log), keep_last]
    trainer = make_trainer(lightning, {**keywords, "limit_val_batches": 0}, folder, callbacks, rank)
    run_fit(trainer, model, data_for(lightning, data), folder, rank)
    return device_of(trainer)
