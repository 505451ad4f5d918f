"""Runs jobs in packs: a few processes, each the host of several trials at a time."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from lightsearch.launchers import Ended, Job
from lightsearch.launchers.fork_server import SERVER_KILLED, Child, ForkServer
from lightsearch.launchers.pack_host import run_host
from lightsearch.machine import descendants
from lightsearch.machine.memory import kernel_kills
from lightsearch.packs.packing import Packing

EXIT_SECONDS = 2.0
"""How long a host that has closed its connection may take to end."""


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
    paused: set[int] = field(default_factory=set)
    """Numbers of the trials that it keeps in memory after a pause."""
    ending: bool = False
    """Whether the process was asked to end; it takes no further jobs."""


class PackLauncher:
    """Processes that train several trials each, in lockstep where possible. New trials join while others train.

    Args:
        server: The fork server.
        packing: How many trials a process has, and which of them train in packs.
        workers: How many processes.
        threads: CPU threads of each process.
        accelerators: GPUs of the machine, assigned to the processes in turn; 0: none.
    """

    blocks = False

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
                    host.ending = True
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
        """The host that has the trial in memory, or the one that it begins from, or the one with most like it.

        Jobs with the same batch key are like each other. If another host has many fewer jobs, it takes the job.
        """
        hosts = [host for host in self._hosts if host.slot is not None and not host.ending]
        wanted = [] if job.isolated else [job.number, *([job.start.parent] if job.start is not None else [])]
        keeps = next((host for number in wanted for host in hosts if number in host.paused), None)
        for host in hosts:
            host.paused.discard(job.number)
        if keeps is not None and len(keeps.jobs) < self._packing.size:
            return keeps
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
        process, here = self._server.start(run_host, self._threads, device, self._packing.proved)
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
                if member.in_memory:
                    host.paused.add(member.number)
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
