"""A worker's own processes end with it, however it died."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection

import psutil
import pytest

from lightsearch.machine import descendants
from lightsearch.machine.owner import this_process


def _work(sender: Connection) -> None:
    descendants.mark()
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    child = subprocess.Popen(sleep)
    lost = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({sleep}); time.sleep(300)"]
    )
    while not psutil.Process(lost.pid).children():
        time.sleep(0.01)
    sender.send([child.pid, lost.pid, psutil.Process(lost.pid).children()[0].pid])
    time.sleep(300)


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_killed_workers_own_processes_end(when: str) -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    worker = context.Process(target=_work, args=(sender,))
    worker.start()
    pids = receiver.recv()
    started = psutil.Process(worker.pid).create_time()
    owner = this_process().model_copy(update={"pid": worker.pid, "started": started})
    descendants.kill_of_owner(owner)
    assert all(psutil.pid_exists(pid) for pid in pids)  # while it lives, nothing
    os.kill(worker.pid or 0, signal.SIGKILL)
    worker.join()
    if when == "at once":
        descendants.kill_of_pids([worker.pid])
    else:
        descendants.kill_of_owner(owner)
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], gone
    assert other.poll() is None
    other.kill()
    other.wait()
