"""Runs jobs in this process, one after the other: for a debugger."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from lightsearch.launchers import Ended, Job
from lightsearch.outcome import Interrupted
from lightsearch.signals import SIGNALS


class InlineLauncher:
    """``--workers 0``. ``launch`` runs the whole job. A signal interrupts it, as it interrupts a worker's job.

    Args:
        threads: CPU threads of a job.
    """

    slots = 1
    blocks = True

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._ended: list[Ended] = []
        self._lock = threading.Lock()
        self._interruptible: int | None = None
        """The number of the job that a signal would interrupt."""
        self._asked = False
        """Whether ``stop`` has sent a signal that was not handled yet."""

    def launch(self, job: Job) -> None:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with contextlib.suppress(Interrupted), self._signals_interrupt(job.number):
                job.function(**job.arguments)
        finally:
            torch.set_num_threads(before)
        self._ended.append(Ended(job.number, 0))

    def wait(self, timeout: float) -> list[Ended]:  # noqa: ARG002
        ended, self._ended = self._ended, []
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:  # noqa: ARG002
        with self._lock:
            if number == self._interruptible and not self._asked:
                self._asked = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # it ends a sleep as well

    def close(self) -> None:
        pass

    @contextlib.contextmanager
    def _signals_interrupt(self, number: int) -> Iterator[None]:
        """Makes Ctrl-C, SIGTERM and ``stop`` raise ``Interrupted`` once.

        For the two signals the handlers that were installed before are called first.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return
        before = {one: signal.getsignal(one) for one in SIGNALS}
        enabled = True

        def interrupt(received: int, frame: object) -> None:
            nonlocal enabled
            handler = before[signal.Signals(received)]
            if self._asked and received == signal.SIGINT:
                self._asked = False
            elif callable(handler):
                handler(received, frame)  # type: ignore[arg-type]  # it is a frame, or None
            if enabled:
                enabled = False
                raise Interrupted("asked to stop")

        try:
            for one in SIGNALS:
                signal.signal(one, interrupt)
            self._interruptible = number
            try:
                yield
            finally:
                enabled = False
        finally:
            with self._lock:
                self._interruptible = None
            while self._asked:  # the signal is on its way, and is not one for the handlers of before
                time.sleep(0.001)
            for one, handler in before.items():
                signal.signal(one, handler)
