"""Runs trials in this process, one after the other: for a debugger."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from lightsearch.launchers import Ended, Job
from lightsearch.outcome import Interrupted
from lightsearch.signals import SIGNALS


class InlineLauncher:
    """``--workers 0``. A job is run while it is launched: a signal ends it as it ends a worker's, nothing else does.

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
    """Has Ctrl-C and SIGTERM raise ``Interrupted`` once, after whoever listens to them has taken note."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's; whoever has it decides
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    works = True

    def interrupt(number: int, frame: object) -> None:
        nonlocal works
        listening = before[signal.Signals(number)]
        if callable(listening):
            listening(number, frame)  # type: ignore[arg-type]  # it is a frame, or None
        if works:
            works = False
            raise Interrupted("asked to stop")

    try:
        for number in SIGNALS:
            signal.signal(number, interrupt)
        try:
            yield
        finally:
            works = False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
