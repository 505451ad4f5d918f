"""A module's ``training_step``, vectorised over the parameters of several members with torch.func."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torchmetrics import Metric

from lightsearch.compat.lightning_package import package_of_model


class NotPackable(Exception):
    """The steps of a module cannot be taken for several members at once."""


class VectorizedStep:
    """The ``training_step`` of a module as a function of parameters and buffers, for all members at once.

    Args:
        module: One member's module; it stands for those of all members.
    """

    def __init__(self, module: Any) -> None:
        self.inner = module
        self.device = torch.device(module.device)
        self.options: dict[str, dict[str, Any]] = {}
        """Keyword arguments of ``log``, by the name that the step logs."""

    def __call__(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Any, index: int
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Takes one step.

        Args:
            parameters: (members, ...) each.
            buffers: (members, ...) each.
            batch: As ``training_step`` takes it; the same for all members.
            index: The number of the batch in its epoch.

        Returns:
            The losses (members,), the buffers after the step, and the logged values, (members,) each.
        """

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Any:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}  # the step changes them in place
            logged: dict[str, Tensor] = {}
            with _logging_to(self.inner, logged, self.options):
                given = _arguments(self.inner, batch, index)
                answer = functional_call(_Forward(self.inner), _prefixed({**parameters, **buffers}), given)
            loss = answer["loss"] if isinstance(answer, dict) else answer
            return loss, buffers, logged

        losses, buffers, logged = vmap(one, randomness="different")(parameters, buffers)
        return losses, buffers, logged


class _Forward(nn.Module):
    """``functional_call`` calls ``forward``; here that is the ``training_step``."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *arguments: Any) -> Any:
        return self.inner.training_step(*arguments)


def _prefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": tensor for name, tensor in tensors.items()}


def _arguments(module: Any, batch: Any, index: int) -> tuple[Any, ...]:
    """The arguments of a ``training_step``: the batch, and its index if the step takes one."""
    takes = inspect.signature(module.training_step).parameters
    return (batch, index) if len(takes) > 1 else (batch,)


@contextmanager
def _logging_to(module: Any, logged: dict[str, Tensor], options: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Collects what a module logs inside of the ``with`` block."""
    names = list(inspect.signature(package_of_model(module).LightningModule.log).parameters)[3:]

    def log(name: str, value: Any, *positional: Any, **given: Any) -> None:
        given |= dict(zip(names, positional, strict=False))
        if isinstance(value, Metric):
            raise NotPackable(f"its training_step logs {name}, a metric that keeps a state")
        if given.get("reduce_fx", "mean") not in ("mean", torch.mean):
            raise NotPackable(f"its training_step logs {name} with reduce_fx = {given['reduce_fx']!r}")
        value = torch.as_tensor(value).detach()
        logged[name] = value if value.is_floating_point() else value.float()
        options[name] = given

    def log_dict(values: Mapping[str, Any], *positional: Any, **given: Any) -> None:
        for name, value in values.items():
            log(name, value, *positional, **given)

    module.log, module.log_dict = log, log_dict
    try:
        yield
    finally:
        del module.log, module.log_dict
