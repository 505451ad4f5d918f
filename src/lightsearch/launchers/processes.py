"""Runs every job in its own process, forked from the fork server."""

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
    """One process per job. A spare process is always ready, so that a job starts immediately.

    Args:
        server: The fork server.
        workers: How many jobs run at a time.
        threads: CPU threads of each process of a job.
        accelerators: GPUs of the machine, assigned to the slots in turn; 0: none.
        devices: How many GPUs a job takes.
    """

    blocks = False

    def __init__(self, server: ForkServer, *, workers: int, threads: int, accelerators: int, devices: int = 1) -> None:
        self.slots = workers
        self._server = server
        self._threads = threads
        self._devices = [range(first, first + devices) for first in range(0, accelerators - devices + 1, devices)]
        self._processes: dict[int, Child] = {}
        self._slots: dict[int, int] = {}
        """The slot of each running job, by the job's number; a slot has its own GPUs."""
        self._spare: tuple[Child, Connection] | None = None
        """The next worker, and the pipe through which it gets its job."""
        self._kernel_kills = kernel_kills()

    def launch(self, job: Job) -> None:
        slot = min(set(range(self.slots)) - set(self._slots.values()))
        devices = self._devices[slot % len(self._devices)] if self._devices else None
        while True:
            process, sender = self._spare or self._start_worker()
            self._spare = None
            with sender, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if process.is_alive():
                    sender.send((job, devices))
                    break
            process.end_orphan()
        self._processes[job.number] = process
        self._slots[job.number] = slot
        self._spare = self._start_worker()

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
                    descendants.kill_of_pids([process.pid])
                process.close()
                del self._processes[number], self._slots[number]
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        process = self._processes.get(number)
        if process is not None:
            process.kill() if kill else process.terminate()

    def close(self) -> None:
        left = list(self._processes.values())
        if self._spare is not None:
            process, sender = self._spare
            sender.close()
            left.append(process)
        for process in left:
            process.kill()
            process.join()
            process.end_orphan()
        descendants.kill_of_pids([process.pid for process in left])
        for process in left:
            process.close()
        self._processes.clear()
        self._spare = None

    def _killed_by_kernel(self) -> bool:
        """Whether the kernel has killed a process for lack of memory since the last call."""
        before, self._kernel_kills = self._kernel_kills, kernel_kills()
        return self._kernel_kills > before

    def _start_worker(self) -> tuple[Child, Connection]:
        return self._server.start(_work, self._threads)


def _work(receiver: Connection, threads: int) -> None:
    """Runs in a worker process: waits for a job, runs it, and ends."""
    import torch

    from lightsearch.outcome import Interrupted

    torch.set_num_threads(threads)
    raise_oom_score()
    # An interrupted job has written its checkpoint; a worker without a job (EOFError) has nothing to write.
    with contextlib.suppress(Interrupted, EOFError), _exit_status_if_unavailable(), interruptible():
        end_with_parent()
        job, devices = receiver.recv()
        _log_to(job)
        if devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(visible_device, devices))
        job.function(**job.arguments)


@contextlib.contextmanager
def _exit_status_if_unavailable() -> Iterator[None]:
    """Ends the process with ``CANNOT_WRITE`` if a resource is unavailable: a full disk allows no other answer."""
    try:
        yield
    except Exception as error:
        if as_unavailable(error) is None:
            raise
        with contextlib.suppress(OSError):
            print(as_unavailable(error), file=sys.stderr)  # in its log, if there is room for a line
        os._exit(CANNOT_WRITE)  # a normal exit would try to write more


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets SIGTERM raise ``Interrupted`` in a block. After it the process ends, which a late signal must not disturb.

    SIGINT is ignored: a Ctrl-C reaches all processes, and the coordinator decides.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signal.signal(signal.SIGTERM, interrupt)
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def interrupt(_signal: int, _frame: object) -> None:
    """A signal handler that raises ``Interrupted``, once."""
    from lightsearch.outcome import Interrupted

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the writing of the checkpoint
    raise Interrupted("asked to stop")


def _log_to(job: Job) -> None:
    """Sends what the job prints to ``log.txt`` in its folder."""
    try:
        log = os.open(job.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise ResourceUnavailable(f"{job.folder} cannot be written to: {error.strerror or error}") from error
    leftovers.limit_log(job.folder / "log.txt")
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def visible_device(device: int) -> str:
    """The name, for CUDA_VISIBLE_DEVICES, of the ``device``-th GPU that is visible to this process."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[device] if names else str(device)
