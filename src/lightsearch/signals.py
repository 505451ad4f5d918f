"""Ctrl-C and SIGTERM: the first stops the work in order, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EndAtOnce(KeyboardInterrupt):
    """A second signal: nothing is waited for. A KeyboardInterrupt that a trial's own code raises is none."""


class StopRequest:
    """Whether somebody asked for the work to stop. A context manager: signals are listened to while it is entered.

    Args:
        say: Tells the user that the work is being stopped.
        end_at_once: Called at the second signal, before ``EndAtOnce`` is raised.
    """

    def __init__(self, say: Callable[[str], None], end_at_once: Callable[[], None]) -> None:
        self.number: int | None = None
        """The signal that came; None: none did."""
        self._say = say
        self._end_at_once = end_at_once
        self._before: list[object] = []

    def __bool__(self) -> bool:
        return self.number is not None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is not threading.main_thread():
            return self  # signals are the main thread's; whoever has it decides
        self._before = [signal.signal(number, self._ask) for number in SIGNALS]
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=False):
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def _ask(self, number: int, _frame: object) -> None:
        if self:
            self._end_at_once()
            raise EndAtOnce
        self.number = number
        self._say("stopping: waiting for checkpoints; once more to end at once")
