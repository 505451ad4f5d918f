"""The processes that a worker starts (a loader's, a user's): they end with the worker, in whatever way it ends.

The kernel gives the children of a killed process another parent, so that they cannot be found through their parents. So
a worker puts a mark into its environment, and its descendants inherit it.
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
"""The environment variable with the worker's process id and start time."""

SHARED_MEMORY = Path("/dev/shm")


def mark() -> None:
    """Marks this process, a worker: the processes that it starts from now on end with it."""
    os.environ[MARK] = _mark(this_process())
    util.Finalize(None, _end_with_coordinator, exitpriority=-1000)


def kill_of_pids(pids: Iterable[int | None]) -> None:
    """Kills the descendants of workers that were killed just now, before their process ids can be used again."""
    dead = {str(pid) for pid in pids if pid is not None}
    if dead:
        _kill_marked(lambda found: found.partition("-")[0] in dead)
        for pid in dead:
            _free_shared_memory(pid)


def kill_of_owner(owner: Owner) -> None:
    """Kills the descendants of a worker that died at any time; does nothing if the worker is alive."""
    if owner.is_dead():
        _kill_marked(lambda found: found == _mark(owner))


def _end_with_coordinator() -> None:
    """Runs when a worker ends: if its coordinator is gone, the worker itself kills its descendants."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        kill_of_pids([os.getpid()])


def _mark(owner: Owner) -> str:
    return f"{owner.pid}-{owner.started:.2f}"


def _kill_marked(belongs: Callable[[str], bool]) -> None:
    own = os.getpid()
    for process in psutil.process_iter():
        # Other users' processes, those that have just ended, and the kernel's cannot be read.
        with contextlib.suppress(psutil.Error, OSError):
            found = process.environ().get(MARK) if process.pid != own else None
            if found is not None and belongs(found):
                process.kill()
                _free_shared_memory(str(process.pid))


def _free_shared_memory(pid: str) -> None:
    """Deletes the semaphores and tensors of a dead process."""
    for pattern in (f"sem.loky-{pid}-*", f"torch_{pid}_*"):
        for file in SHARED_MEMORY.glob(pattern):
            with contextlib.suppress(OSError):
                file.unlink()
