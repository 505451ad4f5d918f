"""A trial run of one vectorised step, before it trains anything: does the step depend on what only one member has?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from lightsearch.errors import first_line
from lightsearch.packs.not_packable import NotPackable
from lightsearch.packs.random_state import RandomState
from lightsearch.packs.vectorized_step import VectorizedStep

PER_MEMBER = {"manual_backward", "all_gather", "print"}
"""Methods that are called for one member; a step that calls them cannot be taken for several members."""


def probe(
    modules: Sequence[Any],
    step: VectorizedStep,
    parameters: dict[str, Tensor],
    buffers: dict[str, Tensor],
    batch: Any,
) -> None:
    """Takes one step that changes no parameter.

    Args:
        modules: The members' modules; the step is that of the first one.
        step: The vectorised step.
        parameters: (members, ...) each.
        buffers: (members, ...) each.
        batch: The first batch of the epoch.

    Raises:
        NotPackable: if the step cannot be vectorised, keeps a state, or reads an attribute in which the members differ.
    """
    first = modules[0]
    before = RandomState(step.device)
    with _watched(first) as (read, written):
        try:
            losses, *_ = step(parameters, buffers, batch, 0)
        except NotPackable:
            raise
        except Exception as error:
            words = first_line(error).partition(". ")[0]
            raise NotPackable(f"its training_step cannot be vectorised ({words:.100})") from error
        finally:
            before.restore()  # the first real step draws the same numbers
        read -= {"log", "log_dict"}
    if losses.shape != (len(modules),) or not losses.requires_grad:
        raise NotPackable("its training_step does not return one loss")
    for name in sorted(written - {"__class__", "log", "log_dict", "training"}):
        raise NotPackable(f"its training_step keeps a state in self.{name}")
    for name in sorted(read):
        if name in PER_MEMBER:
            raise NotPackable(f"its training_step asks for self.{name}")
        own = name in first.__dict__ and not name.startswith("_")
        if own and any(not _equal(first.__dict__[name], module.__dict__.get(name)) for module in modules[1:]):
            raise NotPackable(f"its training_step asks for self.{name}, in which the trials differ")


@contextmanager
def _watched(module: Any) -> Iterator[tuple[set[str], set[str]]]:
    """Records the names of the attributes that are read and written inside of the ``with`` block."""
    read: set[str] = set()
    written: set[str] = set()
    cls = type(module)

    class Watched(cls):  # type: ignore[misc, valid-type]
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

        def __setattr__(self, name: str, value: Any) -> None:
            written.add(name)
            super().__setattr__(name, value)

    module.__class__ = Watched
    try:
        read.clear()
        written.clear()
        yield read, written
    finally:
        module.__class__ = cls


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (RuntimeError, TypeError, ValueError):
        return one is other
