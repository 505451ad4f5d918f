"""Random numbers in a vectorised step: all members draw the numbers that each draws alone.

In a pack, every member follows the seed of its leader (``Member.follow``). So alone, with these seeds, it draws the
same numbers as every other member. One draw therefore serves all, if it has the shape of one member's tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

DROPOUTS = {
    functional.dropout,
    functional.dropout1d,
    functional.dropout2d,
    functional.dropout3d,
}
"""Functions that multiply a tensor by random numbers, which do not depend on its values."""
LIKE = {torch.rand_like, torch.randn_like, torch.randint_like}
"""Functions of a tensor that look at nothing of it but its shape, dtype and device."""


class SharedDraws(TorchFunctionMode):
    """Within it, functions that draw numbers for a tensor of all members draw once, in the shape of one member's.

    To be used inside of ``vmap(randomness="same")``, which refuses other functions that do so.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in DROPOUTS:
            return _dropout(func, *args, **kwargs)
        if func in LIKE:
            tensor, *rest = args
            return func(torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device), *rest, **kwargs)
        return func(*args, **kwargs)


def _dropout(
    dropout: Callable[..., Tensor], input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """A dropout whose noise is that of one member.

    Args:
        dropout: The function.
        input: (...), of one member.
        p: The probability of a zero.
        training: Whether anything is dropped.
        inplace: Ignored: the result is a new tensor.
    """
    if not training:
        return dropout(input, p, training, inplace)
    noise = dropout(torch.ones(input.shape, dtype=input.dtype, device=input.device), p, training)
    return input * noise
