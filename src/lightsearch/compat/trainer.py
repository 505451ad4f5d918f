"""Parts of a Lightning Trainer and of its callbacks that have no public name. Read in pytorch-lightning 2.6.6."""

from __future__ import annotations

from typing import Any

TRAINER_ATTRIBUTE = "_trainer"
"""Where a LightningModule keeps its Trainer; ``trainer``, ``current_epoch``, ``global_step`` and ``logger`` read it."""


def training_loaders(trainer: Any) -> list[Any]:
    """The training loaders of a running fit."""
    return list(trainer.fit_loop._combined_loader.flattened)


def has_several_training_loaders(trainer: Any) -> bool:
    """Whether ``train_dataloader`` returned a collection of loaders."""
    return isinstance(trainer.fit_loop._combined_loader.iterables, list | tuple | dict)


def restart_training_iterators(trainer: Any) -> None:
    """Makes the iterators of the training loaders again, for the epoch that begins."""
    iter(trainer.fit_loop._data_fetcher)


def validation_loaders(trainer: Any) -> list[Any]:
    """The validation loaders of a running fit, once its first validation has begun."""
    return list(trainer.fit_loop.epoch_loop.val_loop._combined_loader.flattened)


def logged_metrics(trainer: Any) -> list[Any]:
    """The metrics that the module has logged as objects in a fit: Lightning resets them after each epoch."""
    epoch_loop = trainer.fit_loop.epoch_loop
    results = [*epoch_loop._results.values(), *epoch_loop.val_loop._results.values()]
    return [result.value for result in results if not result.is_tensor]


def disable_signal_handlers(trainer: Any) -> None:
    """Keeps a Trainer from installing its own signal handlers."""
    trainer._signal_connector.register_signal_handlers = lambda: None


def dumped(trainer: Any) -> dict[str, Any]:
    """What a checkpoint of a fit would hold now. The tensors are those of the fit."""
    content: dict[str, Any] = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    return content


def saves_within_epoch(checkpoint: Any) -> bool:
    """Whether a ModelCheckpoint saves after a number of training steps or after a time."""
    return bool(checkpoint._every_n_train_steps or checkpoint._train_time_interval)
