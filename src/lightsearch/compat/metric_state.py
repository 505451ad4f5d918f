"""The state of a torchmetrics object, with its private parts. Read in torchmetrics 1.9."""

from __future__ import annotations

from typing import Any

import torch

COUNT = "_update_count"
"""The number of updates since the last reset. A metric without any warns when it is computed."""

State = dict[str, Any]
"""Tensors, or lists of tensors, by their names, and the number of updates."""


def share_states(collection: Any) -> None:
    """Gives those metrics of a ``MetricCollection`` that share a state the current one: only the first is updated."""
    collection.values()


def state_of(metric: Any) -> State:
    """The state of a metric. The tensors are its own."""
    return {**metric.metric_state, COUNT: metric.update_count}


def restore_state(metric: Any, state: State) -> None:
    """Sets the state of a metric, on its device."""
    for name, value in state.items():
        setattr(metric, name, _on(metric.device, value))
    metric._computed = None  # the value of the state before


def _on(device: torch.device, value: Any) -> Any:
    """A copy of what a state consists of. A metric may change its tensors in place."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().to(device)
    return [_on(device, item) for item in value] if isinstance(value, list) else value
