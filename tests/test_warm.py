"""A command that is forked from a warm process does what one does that a new Python runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import command, start


@pytest.mark.parametrize("words", [("status", "--study", "none"), ("run", "--n-trials", 0), ("new", "--help")])
def test_it_says_the_same(place: Path, words: tuple[object, ...]) -> None:
    fresh, forked = command(*words, cwd=place, fresh=True), command(*words, cwd=place)
    assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_it_ends_by_a_signal(place: Path) -> None:
    process = start("dashboard", "--port", 0, cwd=place)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL
