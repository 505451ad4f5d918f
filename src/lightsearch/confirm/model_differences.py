"""The differences between two models."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lightsearch.compat import hyperparameters
from lightsearch.compat.lightning_package import overrides

HOOKS = {"prepare_data", "setup", "test_dataloader"}
"""Hooks that ``one_split``, ``prepare`` and ``test_set`` replace in a module that has loaders of its own."""


def model_differences(model: nn.Module, other: nn.Module, example: Any) -> list[str]:
    """The names of what differs between two models: weights, plain attributes of their layers, output.

    Args:
        model: In evaluation mode.
        other: In evaluation mode.
        example: An input of ``forward``; None: the outputs are not compared.
    """
    weights, other_weights = model.state_dict(), other.state_dict()
    found = [name for name in {**weights, **other_weights} if not _same(weights.get(name), other_weights.get(name))]
    layers, other_layers = dict(model.named_modules()), dict(other.named_modules())
    for name in {**layers, **other_layers}:
        before, after = _attributes(layers.get(name)), _attributes(other_layers.get(name))
        prefix = f"{name}." if name else ""
        found += [f"{prefix}{key}" for key in {**before, **after} if not _same(before.get(key), after.get(key))]
    if not found and example is not None and not _same(_output(model, example), _output(other, example)):
        found.append("the output of forward")
    return found


def as_python_number(value: Any) -> Any:
    """A number of numpy's as Python's; any other value unchanged."""
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def _attributes(layer: nn.Module | None) -> dict[str, Any]:
    """A layer's own attributes, without those that torch and Lightning keep there, hooks, and the data of loaders."""
    if layer is None:
        return {}
    kept = vars(LightningModule()).keys() | hyperparameters.ATTRIBUTES | HOOKS
    own = {
        name: value
        for name, value in vars(layer).items()
        if name not in kept and not isinstance(value, Dataset | DataLoader)
    }
    return {"the class": type(layer), **own}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal. Objects of unknown types are equal if their classes are."""
    one, other = as_python_number(one), as_python_number(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        if one.dtype != other.dtype:
            return False
        number = one.is_floating_point()  # here a NaN equals a NaN
        return torch.equal(one, other) or (number and torch.equal(one.nan_to_num(), other.nan_to_num()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, bool | int | float | str | bytes | type):
        return bool(one == other) or one != one
    return getattr(one, "__code__", None) == getattr(other, "__code__", None)


def _output(model: nn.Module, example: Any) -> Any:
    """What ``forward`` returns, or the type of the exception that it raises: it may take another input."""
    if not overrides(model, "forward"):
        return None
    try:
        with isolate_rng(include_cuda=False), torch.no_grad():
            torch.manual_seed(0)
            return model(example)
    except Exception as error:
        return type(error)
