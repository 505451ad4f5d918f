"""Runs trials in this process, one after the other: for a debugger."""

from __future__ import annotations

from lightsearch.launchers import Ended, Job


class InlineLauncher:
    """``--workers 0``. A job is run while it is launched, so it cannot be stopped from outside."""

    slots = 1

    def __init__(self) -> None:
        self._ended: list[Ended] = []

    def launch(self, job: Job) -> None:
        job.function(**job.arguments)
        self._ended.append(Ended(job.number, 0))

    def wait(self, timeout: float) -> list[Ended]:  # noqa: ARG002
        ended, self._ended = self._ended, []
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        pass

    def close(self) -> None:
        pass
