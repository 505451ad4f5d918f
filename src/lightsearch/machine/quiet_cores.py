"""Quiet cores: while a trial measures a latency, the other trials of this machine pause between two batches.

There are two locks of the operating system, which become free when their holder ends in any way. A process that trains
holds ``cores`` as a shared lock; a process that measures holds it exclusively. Before that, it holds ``gate``
exclusively: a process that trains and finds the gate held at its next batch pauses until it is free. (A shared lock is
granted to newcomers while another process waits to hold it exclusively. Without the gate, that process would wait for
ever.)

Only trials whose study measures a latency take part. Every wait has a limit: if others do not pause in time, the
latency is measured anyway, and its spread shows how far it can be trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TURN_SECONDS = 60.0
"""How long to wait for the turn to measure, and, in training, for the end of another's measurement."""

PAUSE_SECONDS = 10.0
"""How long the others may take to pause; usually the rest of a batch."""

POLL_SECONDS = 0.005


class Cores:
    """The cores of this machine, as used by one process.

    The members of a pack share the object: no two of them run at the same time.

    Args:
        folder: Folder of the locks, the same for all processes of a user on a machine.
    """

    def __init__(self, folder: Path) -> None:
        self._gate = _open(folder / f"lightsearch-{os.getuid()}-gate.lock")
        self._cores = _open(folder / f"lightsearch-{os.getuid()}-cores.lock")
        self._training = 0
        """How many trials of this process train."""
        self._gives_way = True
        """Whether it pauses for others; False after one has held the gate for too long."""

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Held while a trial trains."""
        self._training += 1
        try:
            self._share()
            yield
        finally:
            self._training -= 1
            if not self._training:
                fcntl.flock(self._cores, fcntl.LOCK_UN)

    def give_way(self) -> None:
        """Pauses while another process measures; to be called between two batches."""
        if not self._gives_way or _try(self._gate, fcntl.LOCK_SH):
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            return
        fcntl.flock(self._cores, fcntl.LOCK_UN)
        # A process that holds the gate for so long is stopped (SIGSTOP); no further batch waits for it.
        self._gives_way = _wait(self._gate, fcntl.LOCK_SH, TURN_SECONDS)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        self._share()

    @contextlib.contextmanager
    def quiet(self) -> Iterator[bool]:
        """Held while a trial measures; yields whether all other processes pause."""
        fcntl.flock(self._cores, fcntl.LOCK_UN)  # the other members of a pack wait as well
        turn = _wait(self._gate, fcntl.LOCK_EX, TURN_SECONDS)
        try:
            yield turn and _wait(self._cores, fcntl.LOCK_EX, PAUSE_SECONDS)
        finally:
            fcntl.flock(self._cores, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            if self._training:
                self._share()

    def _share(self) -> None:
        _wait(self._cores, fcntl.LOCK_SH, TURN_SECONDS)


@functools.cache
def cores() -> Cores:
    """The ``Cores`` of this process. One per process: two objects would block each other."""
    return Cores(Path(tempfile.gettempdir()))


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:  # the folder cannot be used: a lock that no other process sees
        return os.memfd_create(path.name)


def _wait(lock: int, operation: int, seconds: float) -> bool:
    """Waits for a lock; returns whether it was granted in time."""
    end = time.monotonic() + seconds
    while not (got := _try(lock, operation)) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return got


def _try(lock: int, operation: int) -> bool:
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
