"""A signal that arrives while a line is printed."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import lightsearch
from lightsearch.signals import STOPPING


class Interrupts(io.StringIO):
    """Sends this process a signal in the midst of a print: once its text is written, and before ``write`` returns."""

    sent = False

    def write(self, text: str) -> int:
        written = super().write(text)
        if not self.sent and "[2/" in text:
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)
        return written


def objective(trial: Any) -> float:
    return float(trial.suggest_float("x", 0, 1))


def test_a_signal_within_a_print_repeats_no_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Interrupts()
    monkeypatch.setattr("sys.stdout", screen)
    with pytest.raises(KeyboardInterrupt):
        lightsearch.search(objective, 5, name="printed", workers=0)
    monkeypatch.undo()
    lines = screen.getvalue().splitlines()
    assert sum(line.startswith("[2/5]") for line in lines) == 1
    assert lines.count(STOPPING) == 1
    assert lines.index(STOPPING) > next(n for n, line in enumerate(lines) if line.startswith("[2/5]"))
    assert len(lightsearch.load("printed", storage=f"sqlite:///{place}/studies/studies.db").trials()) == 2
