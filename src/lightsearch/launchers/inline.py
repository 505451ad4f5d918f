"""Runs jobs in this process, one after the other: for a debugger."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from lightsearch.launchers import Ended, Job
from lightsearch.outcome import Interrupted
from lightsearch.signals import SIGNALS


class InlineLauncher:
    """``--workers 0``. ``launch`` runs the whole job. Only a signal interrupts it, as it interrupts a worker's job.

    Args:
        threads: CPU threads of a job.
    """

    slots = 1

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._ended: list[Ended] = []

    def launch(self, job: Job) -> None:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with contextlib.suppress(Interrupted), _interruptible():
                job.function(**job.arguments)
        finally:
            torch.set_num_threads(before)
        self._ended.append(Ended(job.number, 0))

    def wait(self, timeout: float) -> list[Ended]:  # noqa: ARG002
        ended, self._ended = self._ended, []
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        pass

    def close(self) -> None:
        pass


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM raise ``Interrupted`` once, after the handlers that were installed before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    enabled = True

    def interrupt(number: int, frame: object) -> None:
        nonlocal enabled
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)  # type: ignore[arg-type]  # it is a frame, or None
        if enabled:
            enabled = False
            raise Interrupted("asked to stop")

    try:
        for number in SIGNALS:
            signal.signal(number, interrupt)
        try:
            yield
        finally:
            enabled = False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
