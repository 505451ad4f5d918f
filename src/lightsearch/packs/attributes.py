"""Attributes that an object has for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_attributes(part: object, values: Mapping[str, Any]) -> Iterator[None]:
    """Gives an object attributes of its own inside of the ``with`` block, past its ``__setattr__``.

    Args:
        part: The object.
        values: The attributes.
    """
    own = vars(part)
    before = {name: own[name] for name in values if name in own}
    own.update(values)
    try:
        yield
    finally:
        for name in values:
            del own[name]
        own.update(before)
