"""The process of a pack launcher's host: it takes jobs, trains them as members, and reports how they end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

from lightsearch.errors import as_unavailable, first_line
from lightsearch.launchers import CANNOT_WRITE, Ended, Job
from lightsearch.launchers.fork_server import end_with_parent
from lightsearch.launchers.processes import interruptible, visible_device
from lightsearch.machine import descriptors, leftovers
from lightsearch.machine.memory import raise_oom_score

LOOK_SECONDS = 0.1
"""The least time between two looks at what the coordinator has sent, within a round."""

GATHER_SECONDS = 0.3
"""How long a host waits for one more trial before it begins, so that trials begin together."""


def run_host(connection: Connection, threads: int, device: int | None, proved: frozenset[str]) -> None:
    """Runs in a host process: rounds while it has members and its coordinator lives."""
    import torch

    from lightsearch.outcome import Interrupted
    from lightsearch.packs.host import Host

    torch.set_num_threads(threads)
    raise_oom_score()
    descriptors.exit_when_closed()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_device(device)
    host = Host(proved)
    inbox = _Inbox(connection, host)
    host.meanwhile = inbox.look
    try:
        with contextlib.suppress(EOFError), interruptible():
            end_with_parent()
            while True:
                inbox.receive()
                gathers = True
                while gathers:
                    ended = host.advance()
                    for member in ended:
                        connection.send(_end_of(member))
                    gathers = inbox.gather(len(ended)) or bool(ended)
                host.train()
    except Interrupted:
        host.end()


class _Inbox:
    """Handles what the coordinator sends: jobs, and numbers of jobs to stop.

    Args:
        connection: The connection to the coordinator.
        host: The host.
    """

    def __init__(self, connection: Connection, host: Any) -> None:
        self._connection = connection
        self._host = host
        self._logs = _ThreadLogs()
        self._jobs: list[Job] = []
        """Jobs that came within a round."""
        self._looked = 0.0

    def receive(self) -> None:
        """Called between rounds; waits for a job if there are no members."""
        self._add_queued()
        wait_seconds = 0.0 if self._host.members else GATHER_SECONDS
        while not self._host.members or self._connection.poll(wait_seconds):
            self._handle(self._connection.recv())

    def gather(self, n_trials: int) -> bool:
        """Waits a moment for trials that take the places of those that have just ended, so that all train together.

        Args:
            n_trials: How many have just ended. If none has, only those are added that have come meanwhile.

        Returns:
            Whether there are new members.
        """
        added = self._add_queued()
        while self._connection.poll(GATHER_SECONDS if added < n_trials else 0):
            added += self._handle(self._connection.recv())
        return added > 0

    def _add_queued(self) -> int:
        """Adds the jobs that came within a round, and returns their number."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._add(job)
        return len(jobs)

    def _handle(self, message: Job | int) -> bool:
        """Adds a job, or stops one; returns whether it was added."""
        if isinstance(message, Job):
            self._add(message)
            return True
        self._stop(message)
        return False

    def look(self) -> None:
        """Called within rounds: a job that is to stop ends now, a new one waits for the next round."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        with contextlib.suppress(EOFError, OSError):  # the coordinator is gone; ``receive`` finds out
            while self._connection.poll():
                message = self._connection.recv()
                self._jobs.append(message) if isinstance(message, Job) else self._stop(message)
            for member in self._host.take_ended():
                self._connection.send(_end_of(member))

    def _stop(self, number: int) -> None:
        if any(job.number == number for job in self._jobs):
            self._jobs = [job for job in self._jobs if job.number != number]
            self._connection.send(Ended(number, 0))
        self._host.leave(number)

    def _add(self, job: Job) -> None:
        from lightsearch.training.trial import Continuation

        attempt, until = job.arguments.get("attempt"), job.arguments.get("until")
        continuation = None if attempt is None or until is None else Continuation(attempt, until)
        self._host.add(
            job.number, self._logs.with_log(job), isolated=job.isolated, continuation=continuation, start=job.start
        )


def _end_of(member: Any) -> Ended:
    """The end of a member, as if it had run in its own process."""
    from lightsearch.outcome import Interrupted, LeftPack

    number, error = member.number, member.error
    if member.paused:
        return Ended(number, 0, in_memory=True)
    if isinstance(error, LeftPack):
        return Ended(number, 0, left_pack=True, reason=first_line(error, empty="?")[:300])
    if error is None or isinstance(error, Interrupted):
        return Ended(number, 0)
    return Ended(number, CANNOT_WRITE if as_unavailable(error) is not None else 1)


def _append(reason: Exception, log: Path) -> None:
    """Appends a line to a log, if there is room for it."""
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
        print(reason, file=file)


class _ThreadLogs:
    """Sends what each thread prints to ``log.txt`` in the folder of its job. It replaces stdout and stderr."""

    def __init__(self) -> None:
        self._files: dict[int, TextIO] = {}
        """The open logs, by thread."""
        self._screen = sys.stderr
        sys.stdout = sys.stderr = self

    def with_log(self, job: Job) -> Callable[[Any], object]:
        """A function that runs a job with its log, in the thread that calls it."""

        def run(context: Any) -> object:
            try:
                with contextlib.ExitStack() as log:
                    log.enter_context(self._opened(job.folder / "log.txt"))

                    def wait() -> Any:
                        log.close()  # while the trial is paused, another process may write it
                        continuation = context.wait()
                        log.enter_context(self._opened(job.folder / "log.txt"))
                        return continuation

                    return job.function(**job.arguments, context=context._replace(wait=wait))
            except Exception as error:
                if (reason := as_unavailable(error)) is not None:
                    _append(reason, job.folder / "log.txt")
                raise

        return run

    @contextlib.contextmanager
    def _opened(self, log: Path) -> Iterator[None]:
        """Entered while what this thread prints goes to a log."""
        with log.open("a", buffering=1, encoding="utf-8") as file:
            self._files[threading.get_ident()] = file
            done = leftovers.limit_log(log)
            try:
                yield
            finally:
                done.set()
                self._files.pop(threading.get_ident(), None)

    def write(self, text: str) -> int:
        return self._files.get(threading.get_ident(), self._screen).write(text)

    def flush(self) -> None:
        self._files.get(threading.get_ident(), self._screen).flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)
