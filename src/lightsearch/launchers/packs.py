"""Runs trials in packs: a few processes, each the host of several trials at a time."""

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
from lightsearch.packs.size import Packing

HANGING_UP_SECONDS = 2.0
"""How long a host that has hung up may take to end."""
GATHERING_SECONDS = 0.3
"""How long a host without trials waits for another after each that it gets, so that they begin together."""


@dataclass
class _Host:
    process: Child
    connection: Connection
    """Takes jobs and requests to stop, gives back what has ended."""
    place: int | None
    """Which of the launcher's workers it is; None: it is one trial's alone."""
    jobs: dict[int, Job] = field(default_factory=dict)
    stopping: set[int] = field(default_factory=set)
    """Those that were asked to stop."""


class PackLauncher:
    """Processes that train several trials each, in lockstep where they can. New ones join while the others go on.

    Args:
        server: Where the processes come from.
        packing: How many trials a process has, and which of them train in packs.
        workers: Processes.
        threads: CPU threads a process.
        accelerators: GPUs of the machine, dealt out to the processes in turn; 0: none.
    """

    def __init__(self, server: ForkServer, packing: Packing, *, workers: int, threads: int, accelerators: int) -> None:
        self.slots = workers * packing.size
        self._server = server
        self._packing = packing
        self._workers = workers
        self._threads = threads
        self._accelerators = accelerators
        self._hosts: list[_Host] = []
        self._queue: list[Job] = []
        """Jobs that wait for a process of their own."""
        self._dropped: list[Ended] = []
        """Those that were stopped before they got one."""
        self._kernel_kills = kernel_kills()

    def launch(self, job: Job) -> None:
        if job.own_process and sum(host.place is None for host in self._hosts) >= self._workers:
            self._queue.append(job)
            return
        host = self._start_host(None) if job.own_process else self._choose(job)
        host.jobs[job.number] = job
        with contextlib.suppress(BrokenPipeError):  # it has just died; wait() will find out
            host.connection.send(job)

    def wait(self, timeout: float) -> list[Ended]:
        ready = wait(
            [*(host.connection for host in self._hosts), *(host.process.sentinel for host in self._hosts)], timeout
        )
        ended, self._dropped = self._dropped, []
        for host in list(self._hosts):
            if host.connection in ready or host.process.sentinel in ready:
                ended += self._hear(host)
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
                if kill:  # the others go on from their checkpoints
                    host.process.kill()
                elif host.stopping >= host.jobs.keys():
                    host.process.terminate()  # it need not come to the end of its epoch
                else:
                    with contextlib.suppress(BrokenPipeError):
                        host.connection.send(number)

    def close(self) -> None:
        for host in self._hosts:
            host.process.kill()
            host.process.join()
            descendants.end_of_killed([host.process.pid])
            host.process.close()
            host.connection.close()
        self._hosts.clear()

    def _choose(self, job: Job) -> _Host:
        """The host with most jobs of the same kind, as long as another does not have much less to do."""
        hosts = [host for host in self._hosts if host.place is not None]
        if len(hosts) < self._workers:
            return self._start_host(min(set(range(self._workers)) - {host.place for host in hosts}))
        least = min(len(host.jobs) for host in hosts)
        free = [
            host for host in hosts if len(host.jobs) <= min(least + self._packing.size // 2, self._packing.size - 1)
        ]
        return max(
            free,
            key=lambda host: (sum(job.batch_key == other.batch_key for other in host.jobs.values()), -len(host.jobs)),
        )

    def _start_host(self, place: int | None) -> _Host:
        device = (place or 0) % self._accelerators if self._accelerators else None
        process, here = self._server.start(_work, self._threads, device, self._packing.proved)
        host = _Host(process, here, place)
        self._hosts.append(host)
        return host

    def _hear(self, host: _Host) -> list[Ended]:
        """What has ended in a host; all of it, if the host is gone."""
        ended = []
        try:
            while host.connection.poll():
                member: Ended = host.connection.recv()
                del host.jobs[member.number]
                ended.append(member)
        except (EOFError, OSError):
            host.process.join(HANGING_UP_SECONDS)
            host.process.kill()  # else a member has closed its end: it hears nothing, and can say nothing, any more
            host.process.join()
        if host.place is None and not host.jobs:
            host.process.kill()  # it was one trial's
            host.process.join()
        if not host.process.is_alive():
            host.process.join()
            code = host.process.exitcode if host.process.exitcode is not None else 1
            if host.process.end_orphan():
                ended += [Ended(number, code, reason=SERVER_KILLED, machine_lost=True) for number in host.jobs]
                descendants.end_of_killed([host.process.pid])
            else:
                if code < 0:
                    descendants.end_of_killed([host.process.pid])
                by_kernel = code == -signal.SIGKILL and self._killed_by_kernel()
                ended += [Ended(number, code or 1, by_kernel, len(host.jobs) > 1) for number in host.jobs]
            host.process.close()
            host.connection.close()
            self._hosts.remove(host)
        return ended

    def _killed_by_kernel(self) -> bool:
        before, self._kernel_kills = self._kernel_kills, kernel_kills()
        return self._kernel_kills > before


def _work(connection: Connection, threads: int, device: int | None, proved: frozenset[str]) -> None:
    """A host's whole life: rounds while it has members, and their coordinator lives."""
    import torch

    from lightsearch.outcome import Interrupted
    from lightsearch.packs.host import Host

    torch.set_num_threads(threads)
    raise_oom_score()
    descriptors.several_trials_share_them()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches all processes; the coordinator decides
    signal.signal(signal.SIGTERM, interrupt)
    end_with_parent()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_device(device)
    host = Host(proved)
    logs = _Logs()
    try:
        with contextlib.suppress(EOFError):
            while True:
                _receive(connection, host, logs)
                for member in host.round():
                    connection.send(_end_of(member.number, member.error))
    except Interrupted:
        host.end()


def _receive(connection: Connection, host: Any, logs: _Logs) -> None:
    """Takes in what the coordinator has sent; waits for it if there is nothing to do."""
    wait_seconds = 0.0 if host.members else GATHERING_SECONDS
    while not host.members or connection.poll(wait_seconds):
        order = connection.recv()
        if isinstance(order, Job):
            host.add(order.number, logs.logged(order), isolated=order.isolated)
        else:
            host.stop(order)


def _end_of(number: int, error: BaseException | None) -> Ended:
    """A member's end, as if it had had a process of its own."""
    from lightsearch.outcome import Interrupted, LeftPack

    if isinstance(error, LeftPack):
        return Ended(number, 0, left_pack=True, reason=(str(error).strip().splitlines() or ["?"])[0][:300])
    if error is None or isinstance(error, Interrupted):
        return Ended(number, 0)
    return Ended(number, CANNOT_WRITE if as_unavailable(error) is not None else 1)


def _say(reason: Exception, log: Path) -> None:
    """Tells the coordinator why, if there is room for a line."""
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
        print(reason, file=file)


class _Logs:
    """What a trial prints goes to its folder: each thread's output to a file of its own."""

    def __init__(self) -> None:
        self._files: dict[int, TextIO] = {}
        self._screen = sys.stderr
        sys.stdout = sys.stderr = self

    def logged(self, job: Job) -> Callable[[Any], object]:
        """What runs a job in a thread."""

        def run(place: Any) -> object:
            try:
                with (job.folder / "log.txt").open("a", buffering=1, encoding="utf-8") as file:
                    self._files[threading.get_ident()] = file
                    short = leftovers.keep_short(job.folder / "log.txt")
                    try:
                        return job.function(**job.arguments, place=place)
                    finally:
                        short.set()
            except Exception as error:
                if (reason := as_unavailable(error)) is not None:
                    _say(reason, job.folder / "log.txt")
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
