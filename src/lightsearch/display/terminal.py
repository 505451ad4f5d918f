"""What the terminal itself prints into a picture."""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Iterator

from rich.console import Console

LOCAL_FLAGS = 3
"""The place of the local flags among a terminal's attributes."""


@contextlib.contextmanager
def without_echoed_signals(console: Console) -> Iterator[None]:
    """Ctrl-C prints no ``^C`` while this is entered: it would tear the picture.

    A terminal keeps this setting after the process. It is restored also after an exception. A process that is killed
    restores nothing: the terminal works, but shows no ``^C`` until the shell sets its own flags again.
    """
    echoed = _set_echo(console, 0)
    try:
        yield
    finally:
        _set_echo(console, echoed)


def _set_echo(console: Console, flag: int) -> int:
    """Sets whether a terminal shows the keys that send signals: ``ECHOCTL``, or 0. Returns what it was.

    It does nothing for a file, or in the background, where a change would stop the process and disturb others.
    """
    try:
        terminal = console.file.fileno()
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return flag
        attributes = termios.tcgetattr(terminal)
        before = attributes[LOCAL_FLAGS] & termios.ECHOCTL
        attributes[LOCAL_FLAGS] = attributes[LOCAL_FLAGS] & ~termios.ECHOCTL | flag
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    except (OSError, termios.error):  # no terminal, or not this process's own
        return flag
    return int(before)
