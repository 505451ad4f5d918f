"""Notices that a trial has closed file descriptors that are not its own, as ``os.closerange(3, 256)`` does."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

_guard: int | None = None
"""A descriptor of ``/dev/null`` that no other code knows. If it is closed, others may be closed too."""

_exits = False
"""Whether the process ends when the guard is closed."""


class DescriptorsClosed(Exception):
    """A trial's code has closed file descriptors of its process, also those of the storage."""


def guard() -> None:
    """Opens the guard, if it is not open."""
    global _guard
    if not _is_open():
        _guard = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def exit_when_closed() -> None:
    """Makes ``check_guarded`` end the process: several trials run in it, and it is not known which of them failed."""
    global _exits
    _exits = True


def check_guarded() -> None:
    """Checks that the guard is open. The number of a closed descriptor may name another file by now.

    Raises:
        DescriptorsClosed: if it is not open.
    """
    if _guard is None or _is_open():
        return
    reason = "the trial's code has closed descriptors that are not its own (os.closerange?)"
    if _exits:
        with contextlib.suppress(OSError):  # the log may be closed as well
            print(reason, file=sys.stderr, flush=True)
        os._exit(1)
    raise DescriptorsClosed(reason)


def _is_open() -> bool:
    try:
        return _guard is not None and os.path.samestat(os.fstat(_guard), Path(os.devnull).stat())
    except OSError:
        return False
