"""Private functions of torch. Read in torch 2.14.1.

They are bound at import: a call costs no more than a call of the original.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree

fused_adam_: Callable[..., None] = torch._fused_adam_
"""One step of Adam for several tensors, in place; ``torch.optim.Adam(fused=True)`` calls it."""

tree_leaves: Callable[[Any], list[Any]] = _pytree.tree_leaves
"""The values in nested lists, tuples and dictionaries."""

tree_map: Callable[[Callable[[Any], Any], Any], Any] = _pytree.tree_map
"""Nested lists, tuples and dictionaries with each value replaced by what a function makes of it."""


def mark_stepped(optimizer: torch.optim.Optimizer) -> None:
    """Tells the learning-rate schedules of an optimizer that it steps, although ``step`` is not called."""
    optimizer._opt_called = True  # type: ignore[attr-defined]
