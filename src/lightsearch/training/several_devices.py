"""A trial on several devices: a process each, the worker itself being the first of them (rank 0).

Lightning's own launchers start the script anew, or train in children whose callbacks the script never sees again.
Here the worker forks the other ranks before it builds anything; all then do the same, and Lightning is told that its
processes are there already. Only the first rank knows the storage and writes files. Whenever it ends, however it ends,
the others do; whatever one of the others ends by, it ends by too.
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
from lightsearch.training.rank import ALONE, Rank, Result

ECHO_SECONDS = 2.0
"""How long to look, once the first rank has failed, whether it was another one's failure that it felt."""

GRACE_SECONDS = 10.0
"""How long the first rank may take to feel that another one has failed; after that it is ended where it stands."""

LOOK_SECONDS = 0.5
"""How often a rank looks whether the others are alive, where it is not told."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's <sys/prctl.h>

_context = multiprocessing.get_context("fork")


def run(count: int, train: Callable[[Rank], Result], record: Callable[[dict[str, Any]], object]) -> Result:
    """Runs ``train`` in so many processes, this one and children of it.

    To be called before this process has computed anything: threads do not survive the fork.

    Args:
        count: How many.
        train: What each rank does.
        record: Takes the ending (see ``ending_of``) that another rank has come to if this one does not feel it and has
            to be ended where it stands: called on another thread.

    Returns:
        What ``train`` returned on the first rank, once the others are done as well.

    Raises:
        FailedElsewhere: if another rank raised an exception.
    """
    if count == 1:
        return train(ALONE)
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
    """The further ranks, as the first one sees them."""

    def __init__(self, record: Callable[[dict[str, Any]], object]) -> None:
        self.over = threading.Event()
        """Whether all are done, or one has failed."""
        self._left = threading.Event()
        """Whether this rank is done itself."""
        self._record = record
        self._failure: dict[str, Any] | int | None = None
        """The ending that a rank came to, or the exit code of one that died without a word."""
        self._ranks: dict[Connection, ForkProcess] = {}
        """Processes by the pipes through which they say how they ended."""

    def start(self, count: int, train: Callable[[Rank], object]) -> Rank:
        """Starts them, and returns what this rank is."""
        # Else Lightning takes the number of threads for its own to choose.
        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
        pipes = []
        for number in range(1, count):
            pipe, its_pipe = _context.Pipe()
            report, its_report = _context.Pipe(duplex=False)
            rank = Rank(number, count, (its_pipe,))
            process = _context.Process(target=_be, args=(rank, train, its_report, os.getpid()), name=f"rank-{number}")
            process.start()
            its_pipe.close()
            its_report.close()
            pipes.append(pipe)
            self._ranks[report] = process
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()
        return Rank(0, count, tuple(pipes))

    def raise_failure(self) -> None:
        """Ends this rank as another one has ended, if it failed: by its exception, or by its signal."""
        if isinstance(self._failure, dict):
            raise FailedElsewhere(self._failure)
        if self._failure is not None:
            print(f"the process of another device died: exit code {self._failure}", file=sys.stderr, flush=True)
            _die(self._failure)

    def end(self) -> None:
        """Ends the others, which have nothing to lose."""
        self._left.set()
        for process in self._ranks.values():
            process.kill()
        for process in self._ranks.values():
            process.join()

    def _watch(self) -> None:
        waiting = dict(self._ranks)
        while waiting and self._failure is None:
            wait(list(waiting), LOOK_SECONDS)
            # A pipe can outlive its process in that one's own children.
            ended = [report for report, process in waiting.items() if report.poll() or process.exitcode is not None]
            failures = [failure for report in ended if (failure := _said(report, waiting.pop(report))) is not None]
            # Who died without a word is the cause; what others raise then is the echo.
            self._failure = min(failures, key=lambda failure: isinstance(failure, dict), default=None)
        self.over.set()
        if self._failure is None or self._left.wait(GRACE_SECONDS):
            return
        if isinstance(self._failure, dict):
            self._record(self._failure)
            os._exit(1)
        os.kill(os.getpid(), signal.SIGKILL)


def _said(report: Connection, process: ForkProcess) -> dict[str, Any] | int | None:
    """How a rank ended: None if it is done; its exit code if it died without a word."""
    if report.poll():
        with contextlib.suppress(EOFError):
            ending: dict[str, Any] | None = report.recv()
            return ending
        process.join(GRACE_SECONDS)
    return process.exitcode if process.exitcode is not None else 1


def _be(rank: Rank, train: Callable[[Rank], object], report: Connection, first: int) -> None:
    """The whole life of a rank that is not the first."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with(first)
    # What is inherited is the first rank's, open connections above all: nothing of it is ever tidied up here.
    gc.freeze()
    rank_zero_only.rank = rank.number  # type: ignore[attr-defined]
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)  # what a module prints is printed once
    try:
        train(rank)
        ending = None
    except BaseException as error:  # whatever it is, the first rank ends by it
        ending = ending_of(error)
    report.send(ending)


def _end_with(first: int) -> None:
    """Ends this process when the first rank is gone, however that died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == first:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _die(exit_code: int) -> None:
    """Ends this process as another one has ended; a handler of the signal comes first."""
    if exit_code < 0:
        os.kill(os.getpid(), -exit_code)
    os._exit(max(exit_code, 1))
