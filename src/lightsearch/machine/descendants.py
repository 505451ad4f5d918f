"""A worker's own processes (a loader's, a user's): they end with it, however it died.

The kernel gives the children of a killed process to another parent, so that they cannot be found by their kinship. So a
worker puts a mark into its environment, which they inherit, with theirs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterable
from multiprocessing import util
from pathlib import Path

import psutil

from lightsearch.machine.owner import Owner, this_process

MARK = "LIGHTSEARCH_WORKER"
"""The environment variable: the worker's process id and when it was started."""

SHARED_MEMORY = Path("/dev/shm")


def mark() -> None:
    """In a worker: whatever it starts from now on is known to be its own, and ends with it."""
    os.environ[MARK] = _mark(this_process())
    util.Finalize(None, _end_with_coordinator, exitpriority=-1000)


def end_of_killed(pids: Iterable[int | None]) -> None:
    """Ends what workers have left that were killed just now: nobody else has their process ids yet."""
    dead = {str(pid) for pid in pids if pid is not None}
    if dead:
        _end(lambda found: found.partition("-")[0] in dead)
        for pid in dead:
            _free_shared_memory(pid)


def end_of(owner: Owner) -> None:
    """Ends what a worker has left that died at some time or other; nothing, if it lives."""
    if owner.is_dead():
        _end(lambda found: found == _mark(owner))


def _end_with_coordinator() -> None:
    """As a worker ends: if nobody is there to look after what it leaves, it does so itself."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        end_of_killed([os.getpid()])


def _mark(owner: Owner) -> str:
    return f"{owner.pid}-{owner.started:.2f}"


def _end(belongs: Callable[[str], bool]) -> None:
    own = os.getpid()
    for process in psutil.process_iter():
        # Another user's, one that has just ended, and the kernel's own cannot be asked.
        with contextlib.suppress(psutil.Error, OSError):
            found = process.environ().get(MARK) if process.pid != own else None
            if found is not None and belongs(found):
                process.kill()
                _free_shared_memory(str(process.pid))


def _free_shared_memory(pid: str) -> None:
    """Deletes the semaphores and tensors that a dead process had under its name."""
    for pattern in (f"sem.loky-{pid}-*", f"torch_{pid}_*"):
        for file in SHARED_MEMORY.glob(pattern):
            with contextlib.suppress(OSError):
                file.unlink()
