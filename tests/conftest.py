"""What the tests share: a folder to search in, small studies, the commands as processes."""

from __future__ import annotations

import functools
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joblib import cpu_count

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.study.trial_queue import TrialQueue
from tests import postgresql
from tests.warm import WarmCommands, WarmProcess

# Tests share the cores: a thread that waits for another thread must not keep a core busy.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
BEGAN = time.monotonic()
Process = subprocess.Popen[str] | WarmProcess


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder to search in, with the shipped study files."""
    return enter(tmp_path, monkeypatch)


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "studies").mkdir()
    for file in (ROOT / "studies").glob("*.toml"):
        shutil.copy(file, folder / "studies")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LIGHTSEARCH_STORAGE", raising=False)
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    """A PostgreSQL server for the whole session."""
    if postgresql.program("initdb") is None:
        pytest.skip("PostgreSQL is not installed")
    running = postgresql.Server()
    yield running
    running.close()


def pytest_xdist_auto_num_workers() -> int:
    """Three workers per two cores that this process may use (a container's limit counts): tests wait a lot."""
    return (3 * cpu_count() + 1) // 2


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "a slow test that would begin later than this many minutes after the start is skipped"
    parser.addoption("--slow-minutes", type=float, default=math.inf, help=text)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("slow") and time.monotonic() - BEGAN > 60 * item.config.getoption("--slow-minutes"):
        pytest.skip("no time left for slow tests (--slow-minutes)")


def environment() -> dict[str, str]:
    """The environment of a command that is started from a checkout."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "COLUMNS": "200"}


def command(
    name: str, *arguments: object, cwd: Path | None = None, timeout: float = 300, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m search.NAME`` to its end.

    Args:
        name: The command.
        arguments: Its arguments.
        cwd: The folder to run it in.
        timeout: Seconds after which it is killed.
        fresh: Whether a new Python runs it, as in a shell. Otherwise it is forked from a process that has imported
            torch, which saves ten seconds of CPU.
    """
    return _run_to_end([f"search.{name}", *map(str, arguments)], cwd, timeout, fresh)


def script(name: str, *, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs the Python file ``NAME.py`` of a folder to its end, in a process that has imported torch."""
    return _run_to_end([name], cwd, timeout, fresh=False)


def start(name: str, *arguments: object, cwd: Path | None = None, fresh: bool = False) -> Process:
    """Starts ``python -m search.NAME`` in a process group of its own; what it prints is in ``stdout``.

    Args:
        name: The command.
        arguments: Its arguments.
        cwd: The folder to run it in.
        fresh: As for ``command``.
    """
    environ, words = environment(), [f"search.{name}", *map(str, arguments)]
    if not fresh and _warm_commands().takes(environ):
        ours, theirs = os.pipe()
        process = _warm_commands().start(words, environ, _folder(cwd), theirs, theirs)
        os.close(theirs)
        process.stdout = os.fdopen(ours)
        return process
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_hear_interrupts,
    )


def _run_to_end(words: list[str], cwd: Path | None, timeout: float, fresh: bool) -> subprocess.CompletedProcess[str]:
    """Runs a module with its arguments, as after ``python -m``."""
    environ = environment()
    if fresh or not _warm_commands().takes(environ):
        new = [sys.executable, "-m", *words]
        return subprocess.run(new, cwd=cwd, env=environ, text=True, capture_output=True, timeout=timeout, check=False)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = _warm_commands().start(words, environ, _folder(cwd), output.fileno(), errors.fileno())
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(process.args, status, output.read(), errors.read())


@functools.cache
def _warm_commands() -> WarmCommands:
    return WarmCommands(environment())


def _folder(cwd: Path | None) -> Path:
    return (cwd or Path()).absolute()


def _hear_interrupts() -> None:
    """Restores Ctrl-C: a background job of a shell ignores it, and so would every process that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def digits(*overrides: str) -> StudyFile:
    """The digits study with overrides."""
    study_file, mistakes = validate(read_declaration(ROOT / "studies" / "digits.toml", list(overrides)))
    assert study_file is not None, [str(mistake) for mistake in mistakes]
    return study_file


FACTS: dict[str, Any] = {"data": {"split_hash": "abc", "n_val": 287}, "device": "test", "versions": {}, "noticed": {}}


def open_queue(
    study_file: StudyFile, folder: Path, url: str | None = None, facts: dict[str, Any] = FACTS
) -> TrialQueue:
    """Opens or creates the study in ``folder``, as a search does."""
    from lightsearch.storage.opening import open_storage

    url = url or f"sqlite:///{folder}/studies/studies.db"
    queue = TrialQueue(study_file, open_storage(url), url, folder / "studies" / study_file.name)
    queue.open(facts)
    return queue
