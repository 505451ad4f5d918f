"""What lightsearch measures of a trial's model itself, before it trains: for constraints, and as objectives."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

REPEATS = 20
"""How often a latency is measured; the median counts."""


def measure(names: Iterable[str], model: Any, data: Any) -> dict[str, float]:
    """Some of ``MEASURES``, by name.

    Args:
        names: Which of them.
        model: A LightningModule. For a latency its ``example_input_array`` is its input, else the first element of the
            first validation batch, a single sample of it.
        data: Its data.
    """
    return {name: MEASURES[name](model, data) for name in names}


def _parameters(model: Any, data: Any) -> int:  # noqa: ARG001
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def _latency_ms(model: Any, data: Any) -> float:
    import torch

    sample = getattr(model, "example_input_array", None)
    if sample is None:
        data.prepare_data()
        data.setup("fit")
        batch = next(iter(data.val_dataloader()))
        sample = (batch[0] if isinstance(batch, list | tuple) else batch)[:1]
    times = []
    training = model.training
    model.eval()
    with torch.inference_mode():
        for _ in range(REPEATS + 3):  # the first ones warm up
            began = time.perf_counter()
            model(*sample) if isinstance(sample, tuple) else model(sample)
            times.append(time.perf_counter() - began)
    model.train(training)
    return statistics.median(times[3:]) * 1e3


MEASURES: dict[str, Callable[[Any, Any], float]] = {"parameters": _parameters, "latency_ms": _latency_ms}
"""``parameters``: trainable parameters; ``latency_ms``: milliseconds of one sample's forward pass on the CPU."""
