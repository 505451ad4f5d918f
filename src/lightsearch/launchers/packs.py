"""Runs jobs in packs: a few processes, each the host of several trials at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TextIO

from lightsearch.errors import as_unavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job
from lightsearch.launchers.fork_server import SERVER_KILLED, Child, ForkServer, end_with_parent
from lightsearch.launchers.processes import interrupt, visible_device
from lightsearch.machine import descendants, descriptors, leftovers
from lightsearch.machine.memory import kernel_kills, raise_oom_score
from lightsearch.packs.packing import Packing

EXIT_SECONDS = 2.0
"""How long a host that has closed its connection may take to end."""
GATHER_SECONDS = 0.3
"""How long a host waits for one more trial before it begins, so that trials begin together."""


@dataclass
class _HostHandle:
    """A host process, as the launcher knows it."""

    process: Child
    connection: Connection
    """Sends jobs, and numbers of jobs to stop; receives ``Ended``."""
    slot: int | None
    """Its number among the launcher's workers; None: it has one job that needs its own process."""
    jobs: dict[int, Job] = field(default_factory=dict)
    stopping: set[int] = field(default_factory=set)
    """Numbers of the jobs that were asked to stop."""


class PackLauncher:
    """Processes that train several trials each, in lockstep where possible. New trials join while others train.

    Args:
        server: The fork server.
        packing: How many trials a process has, and which of them train in packs.
        workers: How many processes.
        threads: CPU threads of each process.
        accelerators: GPUs of the machine, assigned to the processes in turn; 0: none.
    """

    def __init__(self, server: ForkServer, packing: Packing, *, workers: int, threads: int, accelerators: int) -> None:
        self.slots = workers * packing.size
        self._server = server
        self._packing = packing
        self._workers = workers
        self._threads = threads
        self._accelerators = accelerators
        self._hosts: list[_HostHandle] = []
        self._queue: list[Job] = []
        """Jobs that wait for their own process."""
        self._dropped: list[Ended] = []
        """Jobs that were stopped while they waited."""
        self._kernel_kills = kernel_kills()

    def launch(self, job: Job) -> None:
        if job.own_process and sum(host.slot is None for host in self._hosts) >= self._workers:
            self._queue.append(job)
            return
        host = self._start_host(None) if job.own_process else self._choose_host(job)
        host.jobs[job.number] = job
        with contextlib.suppress(BrokenPipeError):  # it has just died; wait() finds out
            host.connection.send(job)

    def wait(self, timeout: float) -> list[Ended]:
        ready = wait(
            [*(host.connection for host in self._hosts), *(host.process.sentinel for host in self._hosts)], timeout
        )
        ended, self._dropped = self._dropped, []
        for host in list(self._hosts):
            if host.connection in ready or host.process.sentinel in ready:
                ended += self._receive_ended(host)
        queue, self._queue = self._queue, []
        for job in queue:
            self.launch(job)
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        self._dropped += [Ended(job.number, 0) for job in self._queue if job.number == number]
        self._queue = [job for job in self._queue if job.number != number]
        for host in self._hosts:
            if number in host.jobs:
                host.stopping.add(number)
                if kill:  # the other jobs are started again from their checkpoints
                    host.process.kill()
                elif host.stopping >= host.jobs.keys():
                    host.process.terminate()  # it need not finish its epoch
                else:
                    with contextlib.suppress(BrokenPipeError):
                        host.connection.send(number)

    def close(self) -> None:
        for host in self._hosts:
            host.process.kill()
            host.process.join()
            descendants.kill_of_pids([host.process.pid])
            host.process.close()
            host.connection.close()
        self._hosts.clear()

    def _choose_host(self, job: Job) -> _HostHandle:
        """The host with most jobs of the same batch key, unless another has many fewer jobs."""
        hosts = [host for host in self._hosts if host.slot is not None]
        if len(hosts) < self._workers:
            return self._start_host(min(set(range(self._workers)) - {host.slot for host in hosts}))
        least = min(len(host.jobs) for host in hosts)
        free = [
            host for host in hosts if len(host.jobs) <= min(least + self._packing.size // 2, self._packing.size - 1)
        ]
        return max(
            free,
            key=lambda host: (sum(job.batch_key == other.batch_key for other in host.jobs.values()), -len(host.jobs)),
        )

    def _start_host(self, slot: int | None) -> _HostHandle:
        device = (slot or 0) % self._accelerators if self._accelerators else None
        process, here = self._server.start(_work, self._threads, device, self._packing.proved)
        host = _HostHandle(process, here, slot)
        self._hosts.append(host)
        return host

    def _receive_ended(self, host: _HostHandle) -> list[Ended]:
        """The jobs that have ended in a host; all its jobs, if the host has ended."""
        ended = []
        try:
            while host.connection.poll():
                member: Ended = host.connection.recv()
                del host.jobs[member.number]
                ended.append(member)
        except (EOFError, OSError):
            host.process.join(EXIT_SECONDS)
            host.process.kill()  # a member may have closed the connection: the host runs, but cannot be reached
            host.process.join()
        if host.slot is None and not host.jobs:
            host.process.kill()  # it had one job
            host.process.join()
        return ended if host.process.is_alive() else [*ended, *self._remove(host)]

    def _remove(self, host: _HostHandle) -> list[Ended]:
        """Removes a host that has ended; returns the ends of its jobs."""
        host.process.join()
        code = host.process.exitcode if host.process.exitcode is not None else 1
        orphan = host.process.end_orphan()
        if orphan or code < 0:
            descendants.kill_of_pids([host.process.pid])
        if orphan:
            ended = [Ended(number, code, reason=SERVER_KILLED, machine_lost=True) for number in host.jobs]
        else:
            by_kernel = code == -signal.SIGKILL and self._killed_by_kernel()
            ended = [Ended(number, code or 1, by_kernel, len(host.jobs) > 1) for number in host.jobs]
        host.process.close()
        host.connection.close()
        self._hosts.remove(host)
        return ended

    def _killed_by_kernel(self) -> bool:
        before, self._kernel_kills = self._kernel_kills, kernel_kills()
        return self._kernel_kills > before


def _work(connection: Connection, threads: int, device: int | None, proved: frozenset[str]) -> None:
    """Runs in a host process: rounds while it has members and its coordinator lives."""
    import torch

    from lightsearch.outcome import Interrupted
    from lightsearch.packs.host import Host

    torch.set_num_threads(threads)
    raise_oom_score()
    descriptors.exit_when_closed()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the coordinator decides
    signal.signal(signal.SIGTERM, interrupt)
    end_with_parent()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_device(device)
    host = Host(proved)
    logs = _ThreadLogs()
    try:
        with contextlib.suppress(EOFError):
            while True:
                _receive(connection, host, logs)
                for member in host.round():
                    connection.send(_end_of(member.number, member.error))
    except Interrupted:
        host.end()


def _receive(connection: Connection, host: Any, logs: _ThreadLogs) -> None:
    """Handles what the coordinator has sent; waits for a job if there are no members."""
    wait_seconds = 0.0 if host.members else GATHER_SECONDS
    while not host.members or connection.poll(wait_seconds):
        message = connection.recv()
        if isinstance(message, Job):
            host.add(message.number, logs.with_log(message), isolated=message.isolated)
        else:
            host.stop(message)


def _end_of(number: int, error: BaseException | None) -> Ended:
    """The end of a member, as if it had run in its own process."""
    from lightsearch.outcome import Interrupted, LeftPack

    if isinstance(error, LeftPack):
        return Ended(number, 0, left_pack=True, reason=(str(error).strip().splitlines() or ["?"])[0][:300])
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

        def run(place: Any) -> object:
            try:
                with (job.folder / "log.txt").open("a", buffering=1, encoding="utf-8") as file:
                    self._files[threading.get_ident()] = file
                    done = leftovers.limit_log(job.folder / "log.txt")
                    try:
                        return job.function(**job.arguments, place=place)
                    finally:
                        done.set()
            except Exception as error:
                if (reason := as_unavailable(error)) is not None:
                    _append(reason, job.folder / "log.txt")
                raise
            finally:
                self._files.pop(threading.get_ident(), None)

        return run

    def write(self, text: str) -> int:
        return self._files.get(threading.get_ident(), self._screen).write(text)

    def flush(self) -> None:
        self._files.get(threading.get_ident(), self._screen).flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)
