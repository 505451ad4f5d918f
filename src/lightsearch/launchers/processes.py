"""Runs every trial in a process of its own, forked from the fork server."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

from lightsearch.errors import ResourceUnavailable, as_unavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job
from lightsearch.launchers.fork_server import SERVER_KILLED, Child, ForkServer, end_with_parent
from lightsearch.machine import descendants, leftovers
from lightsearch.machine.memory import kernel_kills, raise_oom_score


class ProcessLauncher:
    """A process a job. The next one stands by while the others work, so that a job starts at once.

    Args:
        server: Where the processes come from.
        workers: Jobs at a time.
        threads: CPU threads of each of a job's processes.
        accelerators: GPUs of the machine, dealt out to the workers in turn; 0: none.
        devices: How many of them a job takes.
    """

    def __init__(self, server: ForkServer, *, workers: int, threads: int, accelerators: int, devices: int = 1) -> None:
        self.slots = workers
        self._server = server
        self._threads = threads
        self._devices = [range(first, first + devices) for first in range(0, accelerators - devices + 1, devices)]
        self._processes: dict[int, Child] = {}
        self._places: dict[int, int] = {}
        self._standby: tuple[Child, Connection] | None = None
        """The next worker, and where it takes its job."""
        self._kernel_kills = kernel_kills()

    def launch(self, job: Job) -> None:
        place = min(set(range(self.slots)) - set(self._places.values()))
        devices = self._devices[place % len(self._devices)] if self._devices else None
        while True:
            process, sender = self._standby or self._start_worker()
            self._standby = None
            with sender, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if process.is_alive():
                    sender.send((job, devices))
                    break
            process.end_orphan()
        self._processes[job.number] = process
        self._places[job.number] = place
        self._standby = self._start_worker()

    def wait(self, timeout: float) -> list[Ended]:
        ready = set(wait([process.sentinel for process in self._processes.values()], timeout))
        ended = []
        for number, process in list(self._processes.items()):
            if process.sentinel in ready:
                process.join()
                code = process.exitcode if process.exitcode is not None else 1
                orphan = process.end_orphan()
                if orphan:
                    ended.append(Ended(number, code, reason=SERVER_KILLED, machine_lost=True))
                else:
                    ended.append(Ended(number, code, code == -signal.SIGKILL and self._killed_by_kernel()))
                if orphan or code < 0:
                    descendants.end_of_killed([process.pid])
                process.close()
                del self._processes[number], self._places[number]
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        process = self._processes.get(number)
        if process is not None:
            process.kill() if kill else process.terminate()

    def close(self) -> None:
        left = list(self._processes.values())
        if self._standby is not None:
            process, sender = self._standby
            sender.close()
            left.append(process)
        for process in left:
            process.kill()
            process.join()
            process.end_orphan()
        descendants.end_of_killed([process.pid for process in left])
        for process in left:
            process.close()
        self._processes.clear()
        self._standby = None

    def _killed_by_kernel(self) -> bool:
        """Whether the kernel has killed one more process for want of memory since the last that it did."""
        before, self._kernel_kills = self._kernel_kills, kernel_kills()
        return self._kernel_kills > before

    def _start_worker(self) -> tuple[Child, Connection]:
        return self._server.start(_work, self._threads)


def _work(receiver: Connection, threads: int) -> None:
    """A worker process's whole life: it waits for its job, does it, and ends."""
    import torch

    from lightsearch.outcome import Interrupted

    torch.set_num_threads(threads)
    raise_oom_score()
    # An interrupted job has written what there is to keep; without a job there is nothing.
    with contextlib.suppress(Interrupted, EOFError), _told_by_exit_status():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches all processes; the coordinator decides
        signal.signal(signal.SIGTERM, interrupt)
        end_with_parent()
        job, devices = receiver.recv()
        _log_to(job)
        if devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(visible_device, devices))
        job.function(**job.arguments)


@contextlib.contextmanager
def _told_by_exit_status() -> Iterator[None]:
    """A full disk leaves no other way to say that it is full."""
    try:
        yield
    except Exception as error:
        if as_unavailable(error) is None:
            raise
        with contextlib.suppress(OSError):
            print(as_unavailable(error), file=sys.stderr)  # to its log, if there is room for a line
        os._exit(CANNOT_WRITE)  # what else would be written on the way out cannot be


def interrupt(_signal: int, _frame: object) -> None:
    from lightsearch.outcome import Interrupted

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise Interrupted("asked to stop")


def _log_to(job: Job) -> None:
    """What the trial prints goes to its folder, not to the screen."""
    try:
        log = os.open(job.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise ResourceUnavailable(f"{job.folder} cannot be written to: {error.strerror or error}") from error
    leftovers.keep_short(job.folder / "log.txt")
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def visible_device(device: int) -> str:
    """The name of the machine's ``device``-th visible GPU."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[device] if names else str(device)
