"""Whether a trial has closed descriptors that are not its own, as ``os.closerange(3, 256)`` does."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

_guard: int | None = None
"""A descriptor of ``/dev/null`` that nobody else knows of. Once it is closed, so may be whatever else was open."""

_shared = False


class DescriptorsClosed(Exception):
    """The code that a trial runs has closed the descriptors of its process, the storage's among them."""


def guard() -> None:
    """Remembers that something is open, from now on."""
    global _guard
    if not _is_open():
        _guard = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def several_trials_share_them() -> None:
    """Several trials run in this process: if one closes what is open, the process ends, and none is blamed for it."""
    global _shared
    _shared = True


def check_guarded() -> None:
    """Finds out whether what was open is still open. A number that was closed may name another file by now.

    Raises:
        DescriptorsClosed: if it is not.
    """
    if _guard is None or _is_open():
        return
    reason = "the trial's code has closed descriptors that are not its own (os.closerange?)"
    if _shared:
        with contextlib.suppress(OSError):  # where it would be written to may be closed as well
            print(reason, file=sys.stderr, flush=True)
        os._exit(1)
    raise DescriptorsClosed(reason)


def _is_open() -> bool:
    try:
        return _guard is not None and os.path.samestat(os.fstat(_guard), Path(os.devnull).stat())
    except OSError:
        return False
