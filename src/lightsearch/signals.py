"""Ctrl-C and SIGTERM: the first stops the work after its checkpoints, the second at once."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

STOPPING = "stopping: waiting for checkpoints; press Ctrl-C again to end at once"

PRINTING = ("rich.", "lightsearch.display.")
"""The modules that print. A print within a print repeats what the outer one has not yet taken off its buffer."""


class EndAtOnce(KeyboardInterrupt):
    """The second signal: the work ends at once. A KeyboardInterrupt that a trial's own code raises is not one."""


def raise_in_thread(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raises an exception in another thread, at its next Python instruction; a thread that has ended is ignored."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))


class StopRequest:
    """Whether a signal asked for the work to stop. A context manager that handles signals while it is entered.

    Args:
        say: Shows a message to the user at the first signal.
        end_at_once: Called at the second signal, before ``EndAtOnce`` is raised.
    """

    def __init__(self, say: Callable[[str], None], end_at_once: Callable[[], None]) -> None:
        self.number: int | None = None
        """Number of the first signal. None: no signal arrived."""
        self._say = say
        self._end_at_once = end_at_once
        self._said = False
        self._before: list[object] = []

    def __bool__(self) -> bool:
        return self.number is not None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is not threading.main_thread():
            return self  # only the main thread can handle signals
        self._before = [signal.signal(number, self._ask) for number in SIGNALS]
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=False):
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def say(self) -> None:
        """Shows the message, if a signal arrived and it was not shown yet."""
        if self and not self._said:
            self._said = True
            self._say(STOPPING)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self:
            self._end_at_once()
            raise EndAtOnce
        self.number = number
        if _is_printing(frame):
            return  # the work shows the message later
        with contextlib.suppress(RuntimeError):  # the user's own code prints, which cannot be entered again
            self._say(STOPPING)
            self._said = True


def _is_printing(frame: FrameType | None) -> bool:
    """Whether a function of the modules that print is being called."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(PRINTING):
            return True
        frame = frame.f_back
    return False
