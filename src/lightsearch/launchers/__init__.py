"""Where trials run. Every launcher runs the same function, ``run_trial``, somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lightsearch.study_file import StudyFile


@dataclass(frozen=True)
class Job:
    """A trial to run."""

    study_file: StudyFile
    storage_url: str
    trial_id: int
    number: int
    attempt: int
    """Which start of the trial this is, from 1."""
    folder: Path
    """The trial's folder, which is there."""
    data_dir: str | None


@dataclass(frozen=True)
class Ended:
    """A job's end, as seen from outside."""

    number: int
    exit_code: int
    """0: the outcome is in the trial's folder; -n: killed by signal n."""


class Launcher(Protocol):
    """Runs jobs and says when they end."""

    slots: int
    """How many jobs run at a time."""

    def launch(self, job: Job) -> None:
        """Starts a job in a free slot."""

    def wait(self, timeout: float) -> list[Ended]:
        """The jobs that have ended, after ``timeout`` seconds at most."""

    def stop(self, number: int, *, kill: bool = False) -> None:
        """Asks a job to end at its next chance, leaving its checkpoints; or ends it at once."""

    def close(self) -> None:
        """Ends everything."""
