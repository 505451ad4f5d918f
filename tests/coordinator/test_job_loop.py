"""The job loop with a launcher that only pretends: when jobs are stopped, killed and started again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lightsearch.coordinator import job_loop
from lightsearch.coordinator.job_loop import JobLoop, RunningJob
from lightsearch.coordinator.restarts import MAX_CRASHES, Failure
from lightsearch.launchers import CANNOT_WRITE, Ended, Job
from lightsearch.outcome import Kind, Outcome, TrialError

KILLED = -signal.SIGKILL


class Pretender:
    """Ends a job as ``script`` says, with an exit code; None: the job goes on."""

    slots = 1
    blocks = False

    def __init__(self, script: Callable[[Pretender], int | None]) -> None:
        self.script = script
        self.jobs: list[Job] = []
        self.asked_to_stop = self.killed = self.closed = False

    def launch(self, job: Job) -> None:
        self.jobs.append(job)
        self.asked_to_stop = self.killed = False

    def wait(self, timeout: float) -> list[Ended]:
        time.sleep(min(timeout, 0.01))
        code = KILLED if self.killed else self.script(self)
        return [] if code is None else [Ended(self.jobs[-1].number, code, reason="it is full" * (code == CANNOT_WRITE))]

    def stop(self, number: int, *, kill: bool = False) -> None:
        self.asked_to_stop, self.killed = True, kill

    def close(self) -> None:
        self.closed = True


class OneJob:
    """A single job, and what became of it."""

    def __init__(self, folder: Path, outcome: Outcome | None = None) -> None:
        self.job = Job(0, folder, print, {})
        self.outcome = outcome
        self.begun = self.lost = self.over = self.is_ended_by_user = False
        self.ends: list[Outcome | Failure | TrialError | None] = []

    def is_over(self) -> bool:
        return self.over or bool(self.ends)

    def next_job(self) -> Job | None:
        begun, self.begun = self.begun, True
        return None if begun else self.job

    def read_outcome(self, job: Job) -> Outcome | None:
        return self.outcome

    def restart(self, running: RunningJob, ended: Ended) -> Job | None:
        return None if self.lost else running.job

    def is_lost(self, job: Job) -> bool:
        return self.lost

    def is_withdrawn(self, job: Job) -> bool:
        return self.is_ended_by_user

    def withdrawn(self, running: RunningJob) -> None:
        self.ends.append(None)
        self.over = True

    def finished(self, running: RunningJob, outcome: Outcome) -> None:
        self.ends.append(outcome)

    def failed(self, running: RunningJob, failure: Failure) -> None:
        self.ends.append(failure)

    def interrupted(self, running: RunningJob, error: TrialError | None) -> None:
        self.ends.append(error)

    def tick(self) -> None:
        pass


def run(work: OneJob, script: Callable[[Pretender], int | None], time_limit: float | None = None) -> Pretender:
    launcher = Pretender(script)
    loop = JobLoop(launcher, work, print, time_limit=time_limit)
    loop.run()
    assert launcher.closed
    assert not loop.running
    return launcher


def test_a_job_over_its_time_is_asked_to_stop_and_has_failed(tmp_path: Path) -> None:
    work = OneJob(tmp_path)
    launcher = run(work, lambda launcher: 0 if launcher.asked_to_stop else None, time_limit=0.05)
    assert work.ends == [Failure(Kind.TIMEOUT, "killed after 0.05 s")]
    assert not launcher.killed


def test_a_job_that_ends_by_itself_when_its_time_is_over_has_finished(tmp_path: Path) -> None:
    complete = Outcome(number=0, kind=Kind.COMPLETE)
    work = OneJob(tmp_path, complete)
    run(work, lambda launcher: 0 if launcher.asked_to_stop else None, time_limit=0.05)
    assert work.ends == [complete]


def test_a_job_that_does_not_stop_is_killed_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_loop, "STOP_SECONDS", 0.05)
    work = OneJob(tmp_path)

    def script(launcher: Pretender) -> None:
        work.over = True

    launcher = run(work, script)
    assert launcher.killed
    assert work.ends == [None]
    assert len(launcher.jobs) == 1


def test_a_job_of_another_coordinator_is_killed_and_not_started_again(tmp_path: Path) -> None:
    work = OneJob(tmp_path)

    def script(launcher: Pretender) -> None:
        work.lost = True

    launcher = run(work, script)
    assert launcher.killed
    assert work.ends == [None]


def test_the_last_job_is_started_again_when_its_process_dies(tmp_path: Path) -> None:
    work = OneJob(tmp_path)
    launcher = run(work, lambda launcher: KILLED)
    assert work.ends == [Failure(Kind.CRASHED, "its process died (SIGKILL)")]
    assert len(launcher.jobs) == 1 + MAX_CRASHES


def test_no_job_is_started_again_once_the_work_is_over(tmp_path: Path) -> None:
    work = OneJob(tmp_path)

    def script(launcher: Pretender) -> int:
        work.over = True
        return KILLED

    assert len(run(work, script).jobs) == 1
    assert work.ends == [None]


def test_a_job_that_cannot_write_is_interrupted_by_that(tmp_path: Path) -> None:
    work = OneJob(tmp_path, Outcome(number=0, kind=Kind.COMPLETE))
    run(work, lambda launcher: CANNOT_WRITE)
    (error,) = work.ends
    assert isinstance(error, TrialError)
    assert (error.type, error.message) == ("ResourceUnavailable", "it is full")
