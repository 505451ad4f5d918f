"""Ctrl-C on a terminal: nothing that the terminal prints stays in the live picture."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from lightsearch.display.terminal import LOCAL_FLAGS
from lightsearch.signals import STOPPING
from tests.conftest import environment

SCRIPT = """
import time
import lightsearch

def objective(trial):
    time.sleep(0.2)
    return trial.suggest_float("x", 0, 1)

lightsearch.search(objective, 1000, name="shown", workers=0)
"""

BREAKS_WHILE_SHOWN = """
from rich.console import Console
from lightsearch.confirm.display import RetrainDisplay

with RetrainDisplay(Console()):
    print("entered", flush=True)
    input()
    raise ValueError("broken")
"""


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, source: str, cwd: Path) -> None:
        self._end, self._terminal = os.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", source],
            cwd=cwd,
            env={**environment(), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    @property
    def shows_signals(self) -> bool:
        return bool(termios.tcgetattr(self._terminal)[LOCAL_FLAGS] & termios.ECHOCTL)

    def read_until(self, text: str) -> None:
        while text not in self.text:
            self.text += os.read(self._end, 4096).decode(errors="replace")

    def press(self, key: str) -> None:
        os.write(self._end, key.encode())

    def close(self) -> int:
        """Reads what is left, and returns the exit status."""
        os.close(self._terminal)
        with contextlib.suppress(OSError):  # the process has closed its end
            while left := os.read(self._end, 4096).decode(errors="replace"):
                self.text += left
        os.close(self._end)
        return self.process.wait()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(termios, "ECHOCTL"), reason="this terminal shows no signals")
def test_ctrl_c_leaves_no_trace_in_the_picture(place: Path) -> None:
    terminal = Terminal(SCRIPT, place)
    assert terminal.shows_signals
    terminal.read_until("best value")
    assert not terminal.shows_signals
    terminal.press("\x03")
    terminal.read_until("KeyboardInterrupt")
    assert terminal.shows_signals
    terminal.close()
    assert "^C" not in terminal.text
    assert STOPPING in " ".join(terminal.text.split())


def test_the_terminal_is_as_before_after_an_exception(place: Path) -> None:
    terminal = Terminal(BREAKS_WHILE_SHOWN, place)
    terminal.read_until("entered")
    assert not terminal.shows_signals
    terminal.press("\n")
    terminal.read_until("ValueError: broken")
    assert terminal.shows_signals
    assert terminal.close() == 1
