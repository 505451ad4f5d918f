"""Which hooks logged which metrics in a fit. ``callback_metrics`` mixes training, validation and earlier epochs.

Read in pytorch-lightning 2.6.6: ``_ResultCollection`` of ``_TrainingEpochLoop`` and of its ``val_loop``.
"""

from __future__ import annotations

from typing import Any

Hooks = dict[str, set[str]]
"""Names of metrics, as ``callback_metrics`` has them, and the hooks that logged them."""


def in_validation(trainer: Any) -> Hooks:
    """The metrics that the latest validation logged with ``on_epoch=True``."""
    return _hooks(trainer.fit_loop.epoch_loop.val_loop._results, latest=True)


def ever_in_validation(trainer: Any) -> Hooks:
    """The metrics that any validation of the fit logged with ``on_epoch=True``."""
    return _hooks(trainer.fit_loop.epoch_loop.val_loop._results)


def steps_of_validation(trainer: Any) -> set[str]:
    """The metrics that validation logged only per step (``on_epoch=False``)."""
    results = trainer.fit_loop.epoch_loop.val_loop._results
    return {entry.meta.name for entry in results.values() if not entry.meta.on_epoch}


def ever_in_training(trainer: Any, *, whole_epochs: bool = False) -> Hooks:
    """The metrics that training logged; with ``whole_epochs`` only those with ``on_epoch=True``."""
    return _hooks(trainer.fit_loop.epoch_loop._results, whole_epochs=whole_epochs)


def _hooks(results: Any, *, latest: bool = False, whole_epochs: bool = True) -> Hooks:
    found: Hooks = {}
    for entry in results.values():
        if (latest and entry.has_reset) or (whole_epochs and not entry.meta.on_epoch):
            continue
        for name in results._forked_name(entry, False):
            found.setdefault(name, set()).add(entry.meta.fx.partition(".")[0])  # validation_step.0: of the first loader
    return found
