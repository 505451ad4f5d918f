"""An example of a model's input."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

from lightsearch.compat.lightning_package import overrides
from lightsearch.training.rebuild import Rebuilt


def example_of(rebuilt: Rebuilt) -> Tensor | None:
    """(B, ...) samples of the first training batch, after the batch hooks of the data or the model.

    A hook that needs a Trainer is left out.

    Args:
        rebuilt: The model with its data, which has not been set up.

    Returns:
        None if no batch can be loaded outside a Trainer, or it does not begin with a tensor of samples.
    """
    data, model = rebuilt.data, rebuilt.model
    try:
        data.prepare_data()
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
    except Exception:  # the data may need a Trainer
        return None
    with contextlib.suppress(Exception):  # a hook may need one too, to know whether it trains
        for hook, more in (
            ("on_before_batch_transfer", (0,)),
            ("transfer_batch_to_device", (torch.device("cpu"), 0)),
            ("on_after_batch_transfer", (0,)),
        ):
            batch = getattr(data if overrides(data, hook) else model, hook)(batch, *more)
    samples = batch[0] if isinstance(batch, list | tuple) and batch else batch
    return samples if isinstance(samples, Tensor) and samples.ndim else None
