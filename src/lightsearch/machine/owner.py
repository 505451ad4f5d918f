"""The identity of a process, across machines and restarts: who runs a trial."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict


class Owner(BaseModel):
    """A process; a later process with the same process id is another owner."""

    model_config = ConfigDict(frozen=True)

    host: str
    """The machine's name, for people; several machines may have the same."""
    boot: str
    """The machine, from its start to its shutdown, and the container: where the process id is valid."""
    pid: int
    """The process id."""
    started: float
    """When the process started, in seconds since 1970."""
    token: str = ""
    """Distinguishes the searches of one process."""

    def is_dead(self) -> bool:
        """Whether the process is known to be gone; False if it is on another machine."""
        return self.is_here() and self.process() is None

    def is_here(self) -> bool:
        """Whether it is on this machine, in this container."""
        return self.boot == this_process().boot

    def process(self) -> psutil.Process | None:
        """The process, if it is on this machine and alive; a zombie is not."""
        if not self.is_here():
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@functools.cache
def this_process() -> Owner:
    """This process as an owner."""
    return Owner(host=socket.gethostname(), boot=_boot(), pid=os.getpid(), started=psutil.Process().create_time())


def _boot() -> str:
    """Identifies the machine, from its start to its shutdown, and the container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux: the start of the machine, to the minute, because the estimate varies
        return f"{socket.gethostname()}:{psutil.boot_time() // 60:.0f}"
