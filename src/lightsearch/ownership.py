"""Who runs a RUNNING trial: its coordinator, and whether that one is still there."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict

LEASE_SECONDS = 120.0
"""A trial whose lease was not renewed for so long has lost its owner, wherever that was."""
RENEWAL_SECONDS = 20.0
"""How often a coordinator renews the leases of its trials."""


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

    def provably_dead(self) -> bool:
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


def abandoned(attrs: dict[str, Any], now: float) -> bool:
    """Whether a RUNNING trial has lost its owner: that one is provably dead, or its lease has ended.

    Args:
        attrs: The trial's user attributes (``owner``, ``lease``).
        now: The storage's time, seconds since 1970.
    """
    if "owner" not in attrs:
        return False  # another program's trial, in the same study
    return Owner.model_validate(attrs["owner"]).provably_dead() or now > float(attrs.get("lease", 0.0))


def _boot() -> str:
    """Names this run of this machine, and the container in it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux: the start of the machine, to the minute, since the estimate wanders
        return f"{socket.gethostname()}:{psutil.boot_time() // 60:.0f}"
