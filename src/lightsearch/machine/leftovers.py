"""What killed processes leave behind: temporary files, a worker's card and lock, sockets. And the length of logs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable
from multiprocessing import util
from pathlib import Path

from filelock import FileLock, Timeout

from lightsearch.machine.owner import Owner, this_process
from lightsearch.paths import trial_folder

CARD, LOCK = ".worker.json", ".worker.lock"
"""In a trial's folder: the worker that runs there (an ``Owner`` as JSON), and the lock that it holds."""

TEMPORARY = re.compile(r"\..+\.(\d+|fetched)")
"""Names of files that were being written: ``.best.ckpt.4711``, with the process id of the writer."""

SOCKETS = ".lightsearch"
"""A file in the folder of a process's sockets, with the process (an ``Owner`` as JSON)."""

LOG_BYTES = 10 << 20
"""The size from which a log is shortened."""

HEAD_BYTES, TAIL_BYTES = 1 << 20, 4 << 20
"""How much of its beginning and its end is kept."""

LOG_SECONDS = 0.5
"""Time between two checks of a log's size."""


def remove_temporary(folder: Path) -> None:
    """Removes the temporary files of dead workers in a trial's folder. The caller holds the folder's lock.

    Args:
        folder: The trial's folder.
    """
    for file in folder.glob(".*"):
        match = TEMPORARY.fullmatch(file.name)
        if match and match[1] != str(os.getpid()):
            with contextlib.suppress(OSError):
                file.unlink()


def sweep(study: Path, ended: Iterable[int]) -> None:
    """Removes all but the results from the folders of trials that have ended.

    Args:
        study: The study's folder.
        ended: Numbers of the trials; no worker will run them any more.
    """
    for number in ended:
        sweep_folder(trial_folder(study, number))


def sweep_folder(folder: Path) -> None:
    """The same for the folder of one trial, or of one run of a retraining."""
    # A late worker may still hold the lock; it ends by itself, and the next search removes what it leaves.
    with contextlib.suppress(OSError, Timeout):
        if not any(file.name != ".attempt" for file in folder.glob(".*")):
            return
        with FileLock(folder / LOCK, timeout=0):
            remove_temporary(folder)
            trim_log(folder / "log.txt")
            (folder / CARD).unlink(missing_ok=True)
            (folder / LOCK).unlink(missing_ok=True)


def record_socket_owner() -> None:
    """Writes the owner to the socket folder of this process, in case the process is killed."""
    with contextlib.suppress(OSError):
        (Path(util.get_temp_dir()) / SOCKETS).write_text(this_process().model_dump_json(), encoding="utf-8")


def sweep_sockets() -> None:
    """Removes the folders of the sockets of processes that were killed."""
    for card in Path(tempfile.gettempdir()).glob(f"pymp-*/{SOCKETS}"):
        with contextlib.suppress(OSError, ValueError):
            if Owner.model_validate_json(card.read_text(encoding="utf-8")).is_dead():
                shutil.rmtree(card.parent, ignore_errors=True)


def limit_log(log: Path) -> threading.Event:
    """Starts a thread that shortens a log while it is written. What is written at the moment of cutting may be lost.

    Returns:
        An event that ends the thread when it is set.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOG_SECONDS):
            trim_log(log)

    threading.Thread(target=watch, name=f"log {log.parent.name}", daemon=True).start()
    return done


def trim_log(log: Path) -> None:
    """Cuts the middle out of a log that is too long. Writers that append continue at its end."""
    with contextlib.suppress(OSError):  # there is no log, or the disk is full
        size = log.stat().st_size
        if size <= LOG_BYTES:
            return
        with log.open("r+b") as file:
            file.seek(size - TAIL_BYTES)
            tail = file.read()
            file.truncate(HEAD_BYTES)
        left_out = size - HEAD_BYTES - len(tail)
        with log.open("ab") as file:
            file.write(f"\n[... {left_out:,} bytes left out: a log has {LOG_BYTES >> 20} MB at most ...]\n".encode())
            file.write(tail)
