"""Fixtures that start searches and kill what is left of them, and that limit memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Process, start
from tests.faults.helpers import SLOW, Started

GROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))


@pytest.fixture
def started(place: Path) -> Iterator[Started]:
    """Starts ``search.run`` with the slow study, in a process group of its own."""
    processes: list[Process] = []

    def start_search(*options: object, fresh: bool = False) -> Process:
        processes.append(start("run", *options, *SLOW, cwd=place, fresh=fresh))
        return processes[-1]

    yield start_search
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout is not None:
            process.stdout.close()
        process.wait()


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with two gigabytes of memory; the kernel kills a process that needs more."""
    for parent in GROUPS:
        group = parent / f"lightsearch-{os.getpid()}"
        limit = "memory.limit_in_bytes" if parent.name == "memory" else "memory.max"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(2 * 2**30))
            yield group
            return
        except OSError:
            continue
        finally:
            group.rmdir()
    pytest.skip("no control group with a limit of memory can be made here")
