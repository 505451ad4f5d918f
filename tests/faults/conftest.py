"""Starts searches, and ends what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import start
from tests.faults.helpers import SLOW, Started


@pytest.fixture
def started(place: Path) -> Iterator[Started]:
    """Starts ``search.run`` with the slow study, in a process group of its own."""
    processes: list[subprocess.Popen[str]] = []

    def start_search(*options: object) -> subprocess.Popen[str]:
        processes.append(start("run", *options, *SLOW, cwd=place))
        return processes[-1]

    yield start_search
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout is not None:
            process.stdout.close()
        process.wait()
