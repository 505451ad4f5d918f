"""Dropout layers with a probability of each member's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FUNCTIONS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Dropout: functional.dropout,
    nn.Dropout1d: functional.dropout1d,
    nn.Dropout2d: functional.dropout2d,
    nn.Dropout3d: functional.dropout3d,
}
"""The layers that may differ in ``p`` between members, and what they call."""


def draws(layer: nn.Module) -> bool:
    """Whether one of these layers draws random numbers when it trains; layers that do not are not alike to it."""
    return 0.0 < float(getattr(layer, "p", 0.0)) < 1.0


def differing(modules: Sequence[nn.Module]) -> dict[str, tuple[float, ...]]:
    """The layers that train and differ in their probability, by name: ``p`` of each member.

    Args:
        modules: The members' modules, equal but for their numbers.
    """
    of_each = {
        name: tuple(float(module.get_submodule(name).p) for module in modules)  # type: ignore[arg-type]
        for name, layer in modules[0].named_modules()
        if type(layer) in FUNCTIONS and layer.training and draws(layer)
    }
    return {name: probabilities for name, probabilities in of_each.items() if len(set(probabilities)) > 1}


def forward(layer: nn.Module, probabilities: tuple[float, ...], member: Tensor) -> Callable[[Tensor], Tensor]:
    """The ``forward`` of a layer with other probabilities, within ``vmap``.

    Args:
        layer: The layer of one member.
        probabilities: ``p`` of each member.
        member: The number of the member, the argument over which ``vmap`` maps.
    """

    def dropped(input: Tensor) -> Tensor:
        noise: Tensor = _Noise.apply(member, FUNCTIONS[type(layer)], probabilities, input.shape, input.dtype)
        return input * noise

    return dropped


class _Noise(torch.autograd.Function):
    """What a dropout multiplies its input by: zeros, and 1 / (1 - p).

    Each member draws from the same state of the generator, as it does alone.
    """

    @staticmethod
    def forward(*_: Any) -> Tensor:
        raise NotImplementedError("within vmap only")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any,  # noqa: ARG004
        in_dims: Any,  # noqa: ARG004
        member: Tensor,
        dropout: Callable[..., Tensor],
        probabilities: tuple[float, ...],
        shape: torch.Size,
        dtype: torch.dtype,
    ) -> tuple[Tensor, int]:
        cuda = member.device.type == "cuda"
        state = torch.cuda.get_rng_state(member.device) if cuda else torch.get_rng_state()
        noise = {}
        for p in dict.fromkeys(probabilities):
            torch.cuda.set_rng_state(state, member.device) if cuda else torch.set_rng_state(state)
            noise[p] = dropout(torch.ones(shape, dtype=dtype, device=member.device), p, True)
        return torch.stack([noise[p] for p in probabilities]), 0
