"""Quiet cores: while a trial measures a latency, the other trials of this machine stand still between two batches.

Two locks of the operating system, which are free as soon as their holder is gone, however that died. Whoever trains
holds ``cores`` together with the others, and whoever measures holds it alone. Before that it holds ``gate``: whoever
trains and finds the gate closed at its next batch gives way until it is open. (A lock that is shared is granted to
newcomers while another waits to have it alone; without the gate those who measure would wait for ever.)

Only trials whose study measures a latency take part. Nobody waits without a limit: where others do not stand still in
time, the measurement is made all the same, and its spread says what it is worth.
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
"""How long to wait for one's turn to measure, and, in training, for another to have measured."""

STILL_SECONDS = 10.0
"""How long those that train may take to stand still: a batch, as a rule."""

POLL_SECONDS = 0.005


class Cores:
    """The cores of this machine, as one process uses them.

    Its members of a pack share it: no two of them run at the same time.

    Args:
        folder: Where the locks are, the same one for all of a user's processes on a machine.
    """

    def __init__(self, folder: Path) -> None:
        self._gate = _open(folder / f"lightsearch-{os.getuid()}-gate.lock")
        self._cores = _open(folder / f"lightsearch-{os.getuid()}-cores.lock")
        self._training = 0
        """How many trials of this process train."""
        self._gives_way = True

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
        """Between two batches: stands still while another process measures."""
        if not self._gives_way or _try(self._gate, fcntl.LOCK_SH):
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            return
        fcntl.flock(self._cores, fcntl.LOCK_UN)
        # Who measures for so long is stopped; it is not waited for at every batch.
        self._gives_way = _wait(self._gate, fcntl.LOCK_SH, TURN_SECONDS)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        self._share()

    @contextlib.contextmanager
    def quiet(self) -> Iterator[bool]:
        """Held while a trial measures; yields whether all others stand still."""
        fcntl.flock(self._cores, fcntl.LOCK_UN)  # others of a pack do not train while this one waits for its turn
        turn = _wait(self._gate, fcntl.LOCK_EX, TURN_SECONDS)
        try:
            yield turn and _wait(self._cores, fcntl.LOCK_EX, STILL_SECONDS)
        finally:
            fcntl.flock(self._cores, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            if self._training:
                self._share()

    def _share(self) -> None:
        _wait(self._cores, fcntl.LOCK_SH, TURN_SECONDS)


@functools.cache
def cores() -> Cores:
    """This process's use of the machine's cores; one a process, since of two, one would wait for the other."""
    return Cores(Path(tempfile.gettempdir()))


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:  # nothing can be agreed on there: a lock that nobody else sees
        return os.memfd_create(path.name)


def _wait(lock: int, operation: int, seconds: float) -> bool:
    """Waits for a lock; whether it came in time."""
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
