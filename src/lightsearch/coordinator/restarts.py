"""What follows when a job's process ends without a result: it is started again, or has failed, or waits for room."""

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
"""How often a job whose process died is started again without having got further in between."""

MAX_LOSSES = 10
"""The same of a job whose machine was lost: that is seldom its own fault."""


class Failure(NamedTuple):
    """Why a job is not started again."""

    kind: Kind
    message: str

    @property
    def error(self) -> TrialError:
        """The failure as it is kept with a trial."""
        name = self.kind.name.title().replace("_", "")
        return TrialError(type=name, message=self.message, traceback=self.message)


@dataclass
class Deaths:
    """How often the processes of one job died at the same place.

    Args:
        progress: How far the job had got when it was first started; see ``progress``.
    """

    progress: int = 0
    crashes: int = 0
    losses: int = 0

    def judge(self, ended: Ended, folder: Path) -> Failure | None:
        """Counts a death.

        Args:
            ended: A job that left no result.
            folder: Its folder.

        Returns:
            Why the job has failed; None: it is to be started again, from its last checkpoint.

        Raises:
            ResourceUnavailable: if the job could not write; it has not failed, and goes on once it can.
        """
        if ended.exit_code == CANNOT_WRITE:
            raise ResourceUnavailable(ended.reason or last_line(folder / "log.txt"))
        if ended.out_of_memory and not ended.shared_process:
            return Failure(Kind.OUT_OF_MEMORY, "the kernel killed its process: the memory was full")
        now = progress(folder)
        if now > self.progress:  # it got further: only deaths at the same place are counted
            self.progress, self.crashes, self.losses = now, 0, 0
        if (self.losses >= MAX_LOSSES) if ended.machine_lost else (self.crashes >= MAX_CRASHES):
            return Failure(Kind.CRASHED, why(ended))
        if ended.machine_lost:
            self.losses += 1
        else:
            self.crashes += 1
        return None


def why(ended: Ended) -> str:
    """How a process ended, in words."""
    code = ended.exit_code
    status = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return ended.reason or f"its process died ({status})"


def progress(folder: Path) -> int:
    """How far a job has got, as a number that grows with its epochs: the length of their table, in bytes."""
    try:
        return (folder / "epochs.csv").stat().st_size
    except OSError:
        return 0


def last_line(log: Path) -> str:
    """The last line that a process printed, 300 characters at most."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:300]
    return f"{log.parent} cannot be written to; is the disk full?"
