"""A trial on multiple devices: one process per device; the worker process is rank 0.

Lightning's launchers start the script again, or train in child processes whose callbacks the script never sees. Here
the worker forks the other ranks before it builds anything. All ranks then do the same work, and Lightning's cluster
environment says that its processes exist already. Only rank 0 uses the storage and writes files. When rank 0 ends, for
whatever reason, the others end. When another rank fails, rank 0 ends with the same failure.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only

from lightsearch.outcome import FailedElsewhere, ending_of
from lightsearch.training.rank import SINGLE_RANK, Rank, Result

ECHO_SECONDS = 2.0
"""How long rank 0, once it has failed, waits for a failure of another rank, which may be the cause."""

GRACE_SECONDS = 10.0
"""How long rank 0 may take to fail after another rank has failed; after that its process is ended."""

LOOK_SECONDS = 0.5
"""Interval at which a rank checks whether the others are alive."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's <sys/prctl.h>

_context = multiprocessing.get_context("fork")


def run(count: int, train: Callable[[Rank], Result], record: Callable[[dict[str, Any]], object]) -> Result:
    """Runs ``train`` in ``count`` processes: this one and its children.

    It must be called before this process has computed anything: threads do not survive the fork.

    Args:
        count: Number of processes.
        train: The work of each rank.
        record: Records the ending (see ``ending_of``) of another rank that failed, if this process does not fail in
            time and has to be ended. It is called on another thread.

    Returns:
        What ``train`` returned on rank 0, once the others are done as well.

    Raises:
        FailedElsewhere: if another rank raised an exception.
    """
    if count == 1:
        return train(SINGLE_RANK)
    others = _Others(record)
    try:
        try:
            result = train(others.start(count, train))
        except Exception:
            others.over.wait(ECHO_SECONDS)
            others.raise_failure()
            raise
        others.over.wait()
        others.raise_failure()
        return result
    finally:
        others.end()


class _Others:
    """The ranks from 1, as rank 0 sees them."""

    def __init__(self, record: Callable[[dict[str, Any]], object]) -> None:
        self.over = threading.Event()
        """Set when all are done or one has failed."""
        self._left = threading.Event()
        """Set when rank 0 is done."""
        self._record = record
        self._failure: dict[str, Any] | int | None = None
        """The ending of a rank that failed, or the exit code of one whose process died."""
        self._ranks: dict[Connection, ForkProcess] = {}
        """Processes by the pipes through which they report their ending."""

    def start(self, count: int, train: Callable[[Rank], object]) -> Rank:
        """Starts the processes, and returns rank 0."""
        # Otherwise Lightning sets the number of threads.
        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
        pipes = []
        for number in range(1, count):
            pipe, its_pipe = _context.Pipe()
            report, its_report = _context.Pipe(duplex=False)
            rank = Rank(number, count, (its_pipe,))
            process = _context.Process(
                target=_run_rank, args=(rank, train, its_report, os.getpid()), name=f"rank-{number}"
            )
            process.start()
            its_pipe.close()
            its_report.close()
            pipes.append(pipe)
            self._ranks[report] = process
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()
        return Rank(0, count, tuple(pipes))

    def raise_failure(self) -> None:
        """Ends this rank as the rank that failed, if any: by its exception, or by its signal."""
        if isinstance(self._failure, dict):
            raise FailedElsewhere(self._failure)
        if self._failure is not None:
            print(f"the process of another device died: exit code {self._failure}", file=sys.stderr, flush=True)
            _die(self._failure)

    def end(self) -> None:
        """Kills the other ranks; they keep nothing on disk."""
        self._left.set()
        for process in self._ranks.values():
            process.kill()
        for process in self._ranks.values():
            process.join()

    def _watch(self) -> None:
        waiting = dict(self._ranks)
        while waiting and self._failure is None:
            wait(list(waiting), LOOK_SECONDS)
            # A pipe can outlive its process, in children of that process.
            ended = [report for report, process in waiting.items() if report.poll() or process.exitcode is not None]
            failures = [
                failure for report in ended if (failure := _ending_of_rank(report, waiting.pop(report))) is not None
            ]
            # If one process died, it is the cause; exceptions of the others follow from it.
            self._failure = min(failures, key=lambda failure: isinstance(failure, dict), default=None)
        self.over.set()
        if self._failure is None or self._left.wait(GRACE_SECONDS):
            return
        if isinstance(self._failure, dict):
            self._record(self._failure)
            os._exit(1)
        os.kill(os.getpid(), signal.SIGKILL)


def _ending_of_rank(report: Connection, process: ForkProcess) -> dict[str, Any] | int | None:
    """How a rank ended: None if it is done, its exit code if its process died."""
    if report.poll():
        with contextlib.suppress(EOFError):
            ending: dict[str, Any] | None = report.recv()
            return ending
        process.join(GRACE_SECONDS)
    return process.exitcode if process.exitcode is not None else 1


def _run_rank(rank: Rank, train: Callable[[Rank], object], report: Connection, first: int) -> None:
    """Runs a rank other than 0, from the start of its process to its end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with_rank_0(first)
    # Inherited objects, such as open connections, belong to rank 0: they must not be finalized here.
    gc.freeze()
    rank_zero_only.rank = rank.number  # type: ignore[attr-defined]
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)  # output of a module is printed once, by rank 0
    try:
        train(rank)
        ending = None
    except BaseException as error:  # rank 0 ends with it
        ending = ending_of(error)
    report.send(ending)


def _end_with_rank_0(first: int) -> None:
    """Ends this process when the process of rank 0 is gone, for whatever reason."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == first:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _die(exit_code: int) -> None:
    """Ends this process as another one has ended: by the same signal, whose handler runs first, or exit code."""
    if exit_code < 0:
        os.kill(os.getpid(), -exit_code)
    os._exit(max(exit_code, 1))
