"""Lightning's loop over the batches of a training epoch: epochs that something else trains, and resuming between two.

Read in pytorch-lightning 2.6.6: ``_FitLoop``, ``_TrainingEpochLoop``, their progress counters and the
``_LoggerConnector``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightsearch.compat.logged_metric import LoggedMetric

LogCall = tuple[str, float | LoggedMetric, dict[str, Any]]
"""Arguments of one ``LightningModule.log``: the name, the value, further keyword arguments."""


def replace_steps(trainer: Any, train_epoch: Callable[[], bool]) -> None:
    """Calls ``train_epoch`` before the first batch of every epoch of a running fit.

    Hooks, validation, schedules and progress around it stay Lightning's.

    Args:
        trainer: The Trainer of the fit.
        train_epoch: Returns whether it has trained the whole epoch, and counted it with ``count_epoch``. If not, the
            Trainer takes the steps itself.
    """
    loop = trainer.fit_loop.epoch_loop
    advance = loop.advance

    def advance_or_skip(data_fetcher: Any) -> None:
        # A fit that resumes at the end of an epoch only validates.
        only_validates = loop.restarting and loop._should_check_val_fx(data_fetcher)
        at_start = loop.batch_progress.current.ready == 0
        if only_validates or not at_start or not train_epoch():
            advance(data_fetcher)

    loop.advance = advance_or_skip


def begin_next_epoch(trainer: Any) -> None:
    """Lets a fit that resumes at the end of an epoch begin with the next one. To be called when training starts.

    With ``max_steps``, Lightning takes the end of an epoch for a point within it: hooks of its end would be called once
    more, without a logged value.
    """
    loop = trainer.fit_loop
    if loop.restarted_on_epoch_end:
        loop.epoch_progress.increment_completed()
        loop._restarting = loop.epoch_loop.restarting = False
        loop.reset_restart_stage()


def training_batch(trainer: Any, module: Any, batch: Any) -> Any:
    """A batch of the training loader as ``training_step`` gets it: converted, after the hooks, on the device."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = module._on_before_batch_transfer(batch, dataloader_idx=0)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=0)


def steps_before(trainer: Any) -> int:
    """The training steps of the fit before the current epoch, as Lightning counts them for loggers."""
    steps: int = trainer.fit_loop.epoch_loop._batches_that_stepped
    return steps


def clip_gradients(trainer: Any, module: Any) -> None:
    """Clips the gradients of a module by norm or by value, as its Trainer does between a loss and a step."""
    if trainer.gradient_clip_val:
        module.configure_gradient_clipping(
            trainer.optimizers[0],
            gradient_clip_val=trainer.gradient_clip_val,
            gradient_clip_algorithm=trainer.gradient_clip_algorithm,
        )


def step_schedules(trainer: Any) -> None:
    """Moves the learning-rate schedules that move after every training step."""
    if any(config.interval == "step" and not config.reduce_on_plateau for config in trainer.lr_scheduler_configs):
        loop = trainer.fit_loop.epoch_loop
        loop.batch_progress.current.ready += 1
        loop.update_lr_schedulers("step", update_plateau_schedulers=False)


def count_epoch(trainer: Any, module: Any, log_calls: Mapping[int, Sequence[LogCall]]) -> None:
    """Brings a Trainer to where it is after the last training step of an epoch.

    Args:
        trainer: The Trainer of the fit.
        module: Its LightningModule.
        log_calls: What ``training_step`` logs, by step of the epoch, in ascending order.
    """
    loop, n = trainer.fit_loop.epoch_loop, int(trainer.num_training_batches)
    loop.val_loop.restarting = False
    loop.batch_progress.current.reset()  # step_schedules may have counted
    loop.batch_progress.increment_by(n, is_last_batch=True)
    optimizer = loop.automatic_optimization.optim_progress.optimizer
    optimizer.step.increment_by(n)
    optimizer.zero_grad.increment_by(n)
    loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)
    before = loop._batches_that_stepped
    for step, calls in log_calls.items():
        loop._batches_that_stepped = before + step
        _log_step(trainer, module, calls)
    loop._batches_that_stepped = before + n - 1  # Lightning adds the last one


def _log_step(trainer: Any, module: Any, calls: Sequence[LogCall]) -> None:
    connector = trainer._logger_connector
    connector.on_batch_start(None)
    module._current_fx_name = "training_step"
    for name, value, options in calls:
        module.log(name, value.as_then() if isinstance(value, LoggedMetric) else value, **options)
    module._current_fx_name = None
    connector.on_batch_end()
    connector.update_train_step_metrics()
