"""The job loop: launches jobs, watches them, starts them again when their processes die, and stops them cleanly.

A search and a retraining share it. What they differ in is their ``Work``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from lightsearch.coordinator.restarts import Failure, Restarts, progress_of
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job, Launcher
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.signals import StopRequest

TICK_SECONDS = 0.5
"""How long the loop waits for a job to end before it calls ``Work.tick`` again."""

STOP_SECONDS = 15.0
"""How long a job may take to stop when asked. It is killed after that."""

AnyOutcome = TypeVar("AnyOutcome", bound=Outcome)


@dataclass
class RunningJob:
    """A job that was launched and has not ended."""

    job: Job
    restarts: Restarts
    began: float = field(default_factory=time.monotonic)
    """When its time began, in seconds of the monotonic clock."""
    stop_asked: float | None = None
    """When the loop asked it to stop; None: it did not."""
    timed_out: bool = False
    """The loop asked it to stop because it was over its time."""
    withdrawn: bool = False
    """The loop asked it to stop because the user ends it."""

    @property
    def number(self) -> int:
        return self.job.number


class Work(Protocol[AnyOutcome]):
    """The jobs of a loop, and what follows from their ends. Each launched job ends in one of four methods."""

    def is_over(self) -> bool:
        """Whether the loop ends: all is done, or something other than a signal stops it. Running jobs are stopped."""

    def next_job(self) -> Job | None:
        """Returns a job for a free slot; None if there is none at the moment."""

    def read_outcome(self, job: Job) -> AnyOutcome | None:
        """Returns the outcome that this attempt of a job wrote; None if it wrote none."""

    def restart(self, running: RunningJob, ended: Ended) -> Job | None:
        """Returns the job for another attempt; None if it now belongs to another coordinator."""

    def is_lost(self, job: Job) -> bool:
        """Whether a job now belongs to another coordinator. It is killed."""

    def is_withdrawn(self, job: Job) -> bool:
        """Whether the user ends a job. It is stopped, and does not continue later."""

    def finished(self, running: RunningJob, outcome: AnyOutcome) -> None:
        """Takes the outcome of a job that ended by itself."""

    def failed(self, running: RunningJob, failure: Failure) -> None:
        """Takes the failure of a job whose process died too often or was killed."""

    def withdrawn(self, running: RunningJob) -> None:
        """Takes a job that the user has ended."""

    def interrupted(self, running: RunningJob, error: TrialError | None) -> None:
        """Takes a job that can continue later.

        Args:
            running: The job.
            error: What interrupted it; None: this loop stopped it, or it belongs to another coordinator.
        """

    def tick(self) -> None:
        """Is called after each wait for the end of a job, to show progress."""


class JobLoop(Generic[AnyOutcome]):
    """Runs jobs until its work is over.

    Args:
        launcher: Where jobs run; closed at the end of ``run``.
        work: Which jobs there are, and what follows from their ends.
        say: Tells the user that a signal stops the loop.
        time_limit: Seconds after which a job is stopped; None: no limit.
    """

    def __init__(
        self,
        launcher: Launcher,
        work: Work[AnyOutcome],
        say: Callable[[str], None],
        *,
        time_limit: float | None = None,
    ) -> None:
        self.launcher = launcher
        self.stop = StopRequest(say, launcher.close)
        """Whether a signal asked the loop to stop."""
        self.running: dict[int, RunningJob] = {}
        """The jobs that run, by their numbers."""
        self._work = work
        self._time_limit = time_limit

    def run(self) -> None:
        """Runs jobs until the work is over or a signal comes, and stops those that still run."""
        try:
            with self.stop:
                while not self._is_over():
                    self._fill_slots()
                    self._wait(0 if self._is_over() else TICK_SECONDS)
                    self._work.tick()
                self._stop_all()
        finally:
            self.launcher.close()

    def _is_over(self) -> bool:
        return bool(self.stop) or self._work.is_over()

    def _fill_slots(self) -> None:
        while len(self.running) < self.launcher.slots and not self._is_over():
            job = self._work.next_job()
            if job is None:
                return
            self.running[job.number] = running = RunningJob(job, Restarts(progress_of(job.folder)))
            running.began -= job.spent
            self.launcher.launch(job)

    def _wait(self, seconds: float) -> None:
        for ended in self.launcher.wait(seconds):
            self._handle_end(ended)
        for running in self.running.values():
            self._watch(running)

    def _handle_end(self, ended: Ended) -> None:
        """Decides how a job ended: finished, failed, withdrawn, interrupted, or to be started again."""
        running, work = self.running[ended.number], self._work
        outcome = None
        if ended.exit_code != CANNOT_WRITE and not ended.left_pack:  # else what it wrote is incomplete
            outcome = work.read_outcome(running.job)
        if outcome is not None and outcome.kind is not Kind.INTERRUPTED:
            work.finished(running, outcome)
        elif running.timed_out:
            work.failed(running, Failure(Kind.TIMEOUT, f"killed after {self._time_limit:g} s"))
        elif running.withdrawn or (outcome is not None and work.is_withdrawn(running.job)):
            work.withdrawn(running)
        elif running.stop_asked is not None or work.is_lost(running.job) or self.stop:
            work.interrupted(running, None)
        elif outcome is not None:
            error = outcome.error or _interruption("Interrupted", "interrupted")
            work.interrupted(running, None if work.is_over() else error)
        elif self._starts_again(running, ended):
            return
        del self.running[ended.number]  # not before: while it is handled, the work is not over

    def _starts_again(self, running: RunningJob, ended: Ended) -> bool:
        """Starts a job again whose process ended without an outcome. If it cannot, the work takes the reason."""
        try:
            failure = running.restarts.judge(ended, running.job.folder)
        except ResourceUnavailable as reason:
            self._work.interrupted(running, _interruption(type(reason).__name__, str(reason)))
            return False
        if failure is not None:
            self._work.failed(running, failure)
            return False
        again = None if self._is_over() else self._work.restart(running, ended)
        if again is None:
            self._work.interrupted(running, None)
            return False
        running.job = again
        if ended.machine_lost:  # it may wait for another machine
            running.began = time.monotonic()
        self.launcher.launch(again)
        return True

    def _watch(self, running: RunningJob) -> None:
        """Stops a job that is over its time. Kills one that does not stop or belongs to another coordinator."""
        now = time.monotonic()
        if self._work.is_lost(running.job):
            self.launcher.stop(running.number, kill=True)
        elif running.stop_asked is not None:
            if now - running.stop_asked > STOP_SECONDS:
                self.launcher.stop(running.number, kill=True)
        elif self._work.is_withdrawn(running.job):
            running.withdrawn = True
            self._ask_to_stop(running)
        elif self._time_limit is not None and now - running.began > self._time_limit:
            running.timed_out = True
            self._ask_to_stop(running)

    def _stop_all(self) -> None:
        self.stop.say()
        for running in self.running.values():
            self._ask_to_stop(running)
        while self.running:
            self._wait(TICK_SECONDS)

    def _ask_to_stop(self, running: RunningJob) -> None:
        running.stop_asked = time.monotonic()
        self.launcher.stop(running.number)


def _interruption(name: str, message: str) -> TrialError:
    return TrialError(type=name, message=message, traceback="")
