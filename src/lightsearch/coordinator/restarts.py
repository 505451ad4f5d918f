"""What follows when a job's process ends without an outcome: the job starts again, has failed, or has to wait."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import CANNOT_WRITE, Ended
from lightsearch.outcome import Kind, TrialError

MAX_CRASHES = 2
"""Restarts of a job that crashes without progress in between."""

MAX_LOSSES = 10
"""Restarts of a job whose machine is lost without progress in between. That is rarely the job's fault."""


class Failure(NamedTuple):
    """Why a job has failed without an outcome of its own."""

    kind: Kind
    message: str

    @property
    def error(self) -> TrialError:
        """The failure in the form that is stored with a trial."""
        name = self.kind.name.title().replace("_", "")
        return TrialError(type=name, message=self.message, traceback=self.message)


@dataclass
class Restarts:
    """The restarts of one job since it last made progress, and what the next start needs.

    Args:
        progress: The job's progress at its first start; see ``progress_of``.
    """

    progress: int = 0
    crashes: int = 0
    losses: int = 0
    """Lost machines."""
    own_process: bool = False
    """The next start needs a process of its own: the job may have caused the crash of its last process."""
    isolated: bool = False
    """The next start trains in no pack: the last pack failed."""

    def judge(self, ended: Ended, folder: Path) -> Failure | None:
        """Decides whether the job starts again, and counts the restart.

        Args:
            ended: The end of a process that left no outcome.
            folder: The job's folder.

        Returns:
            Why the job has failed; None: it starts again from its last checkpoint.

        Raises:
            ResourceUnavailable: if the job could not write. It has not failed, and continues once it can write.
        """
        if ended.exit_code == CANNOT_WRITE:
            raise ResourceUnavailable(ended.reason or last_line(folder / "log.txt"))
        if ended.left_pack:
            self.own_process = self.isolated = True
            return None
        if ended.out_of_memory and not ended.shared_process:
            return Failure(Kind.OUT_OF_MEMORY, "the kernel killed its process: the memory was full")
        progress = progress_of(folder)
        if progress > self.progress:
            self.progress, self.crashes, self.losses = progress, 0, 0
        if (self.losses >= MAX_LOSSES) if ended.machine_lost else (self.crashes >= MAX_CRASHES):
            return Failure(Kind.CRASHED, describe_end(ended))
        if ended.machine_lost:
            self.losses += 1
        else:
            self.crashes += 1
            self.own_process = ended.shared_process and (ended.out_of_memory or self.crashes >= MAX_CRASHES)
        return None


def describe_end(ended: Ended) -> str:
    """Returns how a process ended, in words."""
    code = ended.exit_code
    status = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return ended.reason or f"its process died ({status})"


def progress_of(folder: Path) -> int:
    """Returns a number that grows with a job's epochs: the length of its ``epochs.csv``, of all runs, in bytes."""
    with contextlib.suppress(OSError):  # a file is being replaced
        return sum(file.stat().st_size for file in folder.rglob("epochs.csv"))
    return 0


def last_line(log: Path) -> str:
    """Returns the last line that a process printed, at most 300 characters."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:300]
    return f"{log.parent} cannot be written to; is the disk full?"
