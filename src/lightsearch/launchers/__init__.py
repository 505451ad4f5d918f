"""Where trials run: a launcher runs functions, ``run_trial`` first of all, somewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

CANNOT_WRITE = os.EX_IOERR
"""Exit status of a job that could not even write what became of it."""


@dataclass(frozen=True)
class Job:
    """Something to run, on its own."""

    number: int
    """Tells it apart from the other jobs that run: the trial's number."""
    folder: Path
    """Its folder, which is there; what it prints goes to ``log.txt`` in it."""
    function: Callable[..., object]
    """What to run, found by its import path on the other side."""
    arguments: dict[str, Any]
    """Its keyword arguments."""
    batch_key: Hashable = None
    """Jobs of one kind gain from running together."""
    own_process: bool = False
    """It gets a process of its own: the last one that it had died with it."""
    isolated: bool = False
    """It trains in no pack: it had to leave the last one."""


@dataclass(frozen=True)
class Ended:
    """A job's end, as seen from outside."""

    number: int
    exit_code: int
    """0: it ran to its end; -n: killed by signal n."""
    out_of_memory: bool = False
    """The kernel killed it, because the memory was full."""
    shared_process: bool = False
    """Others were in the same process, and may be what it died of."""
    reason: str = ""
    """Why it ended, where its exit code does not say it."""
    left_pack: bool = False
    """It could not go on in its pack, for ``reason``, and is to be started again in none."""
    machine_lost: bool = False
    """The machine that it ran on is gone; it is not to blame."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What it left, by name, where its folder cannot be relied on to be seen from here."""


class Launcher(Protocol):
    """Runs jobs and says when they end."""

    @property
    def slots(self) -> int:
        """How many jobs run at a time."""

    def launch(self, job: Job) -> None:
        """Starts a job in a free slot."""

    def wait(self, timeout: float) -> list[Ended]:
        """The jobs that have ended, after ``timeout`` seconds at most."""

    def stop(self, number: int, *, kill: bool = False) -> None:
        """Asks a job to end at its next chance, leaving its checkpoints; or ends it at once."""

    def close(self) -> None:
        """Ends everything."""
