"""Who runs a RUNNING trial: its coordinator, and whether that one is still there."""

from __future__ import annotations

import functools
import os
import socket
import time
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
    boot: int
    """Start of the machine, seconds since 1970; with the host it names one run of one machine."""
    pid: int
    started: float
    """Start of the process, seconds since 1970."""

    def provably_dead(self) -> bool:
        """Whether this machine shows that the process is gone. A process on another machine never is."""
        here = this_process()
        if self.host != here.host:
            return False
        if abs(self.boot - here.boot) > 5:  # the kernel's estimate of its boot time wanders with the clock
            return True
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) > 1)
        except psutil.NoSuchProcess:
            return True


@functools.cache
def this_process() -> Owner:
    """The owner that this process is."""
    process = psutil.Process()
    return Owner(
        host=socket.gethostname(), boot=int(psutil.boot_time()), pid=os.getpid(), started=process.create_time()
    )


def abandoned(attrs: dict[str, Any]) -> bool:
    """Whether a RUNNING trial with these attributes (``owner``, ``lease``) has lost its owner."""
    if "owner" not in attrs:
        return False  # another program's trial, in the same study
    return Owner.model_validate(attrs["owner"]).provably_dead() or time.time() > float(attrs.get("lease", 0.0))
