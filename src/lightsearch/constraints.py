"""What a trial may cost at most: measured before it trains, so that one that costs more is not trained."""

from __future__ import annotations

import statistics
import time
from typing import Any

from lightsearch.study_file import Constraints

REPEATS = 20
"""How often a latency is measured; the median counts."""


def measure(constraints: Constraints, model: Any, data: Any) -> dict[str, float]:
    """What the study constrains, by name.

    Args:
        constraints: The study's.
        model: A LightningModule. For a latency its ``example_input_array`` is its input, else the first element of the
            first validation batch, a single sample of it.
        data: Its data.

    Returns:
        ``parameters``: trainable parameters; ``latency_ms``: milliseconds of one forward pass on the CPU.
    """
    found: dict[str, float] = {}
    if constraints.parameters is not None:
        found["parameters"] = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    if constraints.latency_ms is not None:
        found["latency_ms"] = _latency(model, data)
    return found


def exceeded(constraints: Constraints, found: dict[str, float]) -> dict[str, float]:
    """By how much each measure lies above its limit: Optuna takes what is above 0 for a violation."""
    return {name: value - getattr(constraints, name) for name, value in found.items()}


def _latency(model: Any, data: Any) -> float:
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
