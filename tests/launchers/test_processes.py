"""The fork server and its children: whatever is killed, the work goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from lightsearch.launchers import Ended, Job
from lightsearch.launchers.fork_server import SERVER_KILLED, ForkServer
from lightsearch.launchers.processes import ProcessLauncher, interruptible
from lightsearch.outcome import Interrupted


def loaded() -> tuple[bool, bool, int]:
    """What a child finds: torch, the user's module, and its own process id."""
    return "torch" in sys.modules, "users_own" in sys.modules, os.getpid()


def sleep_for_long(*, folder: Path) -> None:
    (folder / "pid").write_text(str(os.getpid()))
    time.sleep(600)


def return_at_once(*, folder: Path) -> None:
    (folder / "done").touch()


def kill_fork_server() -> None:
    servers = [one for one in psutil.Process().children() if "forkserver import main" in " ".join(one.cmdline())]
    assert servers
    for server in servers:
        server.kill()


def wait_for_one(launcher: ProcessLauncher) -> Ended:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if ended := launcher.wait(0.5):
            return ended[0]
    raise AssertionError("the job does not end")


def test_a_killed_fork_server_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_own.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    server = ForkServer(["users_own"])
    launcher = ProcessLauncher(server, workers=1, threads=1, accelerators=0)
    try:
        launcher.launch(Job(7, tmp_path, sleep_for_long, {"folder": tmp_path}))
        while not (tmp_path / "pid").exists():
            time.sleep(0.05)
        orphan = psutil.Process(int((tmp_path / "pid").read_text()))
        kill_fork_server()  # a worker is at work, the next one stands by
        ended = wait_for_one(launcher)
        assert (ended.number, ended.machine_lost, ended.reason) == (7, True, SERVER_KILLED)
        orphan.wait(30)  # or two would work on one trial
        launcher.launch(Job(8, tmp_path, return_at_once, {"folder": tmp_path}))
        assert wait_for_one(launcher) == Ended(8, 0)
        assert (tmp_path / "done").exists()
        # The new server has imported what the first one had.
        assert server.call(loaded)[:2] == (True, True)
    finally:
        launcher.close()


def test_a_worker_is_interrupted_at_its_work_and_not_at_its_end() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(Interrupted), interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
        with interruptible():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
