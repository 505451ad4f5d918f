"""The states of a module's torchmetrics objects, which Lightning leaves out of checkpoints.

A metric that is never reset, such as ``MaxMetric`` for the best epoch so far, would begin anew with every resume.
"""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback
from torchmetrics import Metric, MetricCollection

from lightsearch.compat.metric_state import State, restore_state, share_states, state_of
from lightsearch.compat.trainer import logged_metrics

KEY = "lightsearch_metrics"
"""The entry of a checkpoint: a metric's name in the module, and its state."""


class KeepMetrics(Callback):
    """Keeps the states of metrics in the checkpoints of a fit, and restores them when the fit resumes.

    A metric that is logged as an object is left out: Lightning resets it at the end of the epoch. So are all metrics of
    a fit on several devices, each of which has states of its own.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, State] = {}

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        if trainer.world_size == 1 and (states := _states(trainer, pl_module)):
            checkpoint[KEY] = states

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        self._loaded = checkpoint.get(KEY, {})

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Restores them; not earlier, since many a module resets its metrics in ``on_train_start``."""
        metrics = _metrics(pl_module) if self._loaded else {}
        for name, state in self._loaded.items():
            if name in metrics:
                restore_state(metrics[name], state)
        self._loaded = {}


def _metrics(module: Any) -> dict[str, Metric]:
    return {name: part for name, part in module.named_modules() if isinstance(part, Metric)}


def _states(trainer: Any, module: Any) -> dict[str, State]:
    """The states of the metrics that were updated and are not about to be reset, by their names."""
    for part in module.modules():
        if isinstance(part, MetricCollection):
            share_states(part)
    reset = {id(part) for logged in logged_metrics(trainer) for part in logged.modules()}
    metrics = {name: one for name, one in _metrics(module).items() if id(one) not in reset}
    return {name: state_of(metric) for name, metric in metrics.items() if metric.update_called}
