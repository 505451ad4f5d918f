"""A process of some machine, told apart from every other one: who runs a trial."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict


class Owner(BaseModel):
    """A process, told apart from a later one with the same process id."""

    model_config = ConfigDict(frozen=True)

    host: str
    """For people; many machines have the same name."""
    boot: str
    """Where its process id means something: one run of one machine, and one container in it."""
    pid: int
    started: float
    """Start of the process, seconds since 1970."""
    token: str = ""
    """Tells apart the searches of one process."""

    def is_dead(self) -> bool:
        """Whether it can be seen from here that the process is gone; elsewhere it never can."""
        return self.is_here() and self.process() is None

    def is_here(self) -> bool:
        """Whether this process could see it."""
        return self.boot == this_process().boot

    def process(self) -> psutil.Process | None:
        """The process, if it can be seen from here and is there; a zombie is not."""
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
    """The owner that this process is."""
    return Owner(host=socket.gethostname(), boot=_boot(), pid=os.getpid(), started=psutil.Process().create_time())


def _boot() -> str:
    """Names this run of this machine, and the container in it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux: the start of the machine, to the minute, since the estimate wanders
        return f"{socket.gethostname()}:{psutil.boot_time() // 60:.0f}"
