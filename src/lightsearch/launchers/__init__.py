"""Where trials run: a launcher runs jobs in this process, in worker processes, in packs, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lightsearch.study.schedulers import Start

CANNOT_WRITE = os.EX_IOERR
"""The exit status of a job that could not write its outcome, as when the disk is full."""


@dataclass(frozen=True)
class Job:
    """A function to run in a worker: one attempt of a trial, or one run of a retraining."""

    number: int
    """Identifies the job among those of a launcher: the trial's number."""
    folder: Path
    """The job's folder, which exists. The output of the function goes to ``log.txt`` in it."""
    function: Callable[..., object]
    """The function. The worker imports it by its path."""
    arguments: dict[str, Any]
    """The function's keyword arguments. They are pickled."""
    batch_key: Hashable = None
    """Equal for jobs with the same data. A launcher prefers to run them in one process, where they share batches."""
    own_process: bool = False
    """The job must not share a process: it may have caused the crash of its last process."""
    spent: float = 0.0
    """Seconds that earlier jobs of the same trial took, which count towards its time limit."""
    start: Start | None = None
    """Where a new trial begins, if that is another trial's checkpoint: a launcher prefers the process that has it."""
    isolated: bool = False
    """The job trains in no pack, though it may share a process: its last pack failed, or packs keep failing."""


@dataclass(frozen=True)
class Ended:
    """How a job's process ended. The job's own result is in its folder, if it wrote an outcome."""

    number: int
    """The job's number."""
    exit_code: int
    """0: the function returned; -n: signal n killed the process; ``CANNOT_WRITE``: the outcome could not be written."""
    out_of_memory: bool = False
    """The kernel killed the process because the memory was full."""
    shared_process: bool = False
    """Other jobs ran in the same process, and any of them may have caused the crash."""
    reason: str = ""
    """Why the process ended, if the exit code does not tell; empty otherwise."""
    left_pack: bool = False
    """The job could not continue in its pack, for ``reason``. It is to be started again with ``isolated``."""
    in_memory: bool = False
    """The trial has paused, and its process keeps it in memory."""
    machine_lost: bool = False
    """The machine is gone or out of reach. The job is not to blame."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The job's result files by name, if its folder is on another machine; empty otherwise."""


class Launcher(Protocol):
    """Runs jobs, and reports their ends. All methods are called from one thread, but see ``blocks``."""

    @property
    def slots(self) -> int:
        """The number of jobs that can run at a time. It may change while a search runs."""

    @property
    def blocks(self) -> bool:
        """Whether ``launch`` runs the whole job. Another thread may then call ``stop`` meanwhile."""

    def launch(self, job: Job) -> None:
        """Starts a job in a free slot.

        Args:
            job: The job. Its number differs from those of the running jobs.
        """

    def wait(self, timeout: float) -> list[Ended]:
        """Waits until a job ends, and returns all ends that were not returned yet.

        Args:
            timeout: The most seconds to wait; 0: does not wait.
        """

    def stop(self, number: int, *, kill: bool = False) -> None:
        """Asks a job to stop and to keep its checkpoints. Its end is returned by ``wait``.

        Args:
            number: The job's number. A job that has ended is ignored.
            kill: Kills the process instead of asking.
        """

    def close(self) -> None:
        """Kills all jobs that run, and ends all processes. It may be called more than once."""
