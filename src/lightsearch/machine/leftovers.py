"""What killed processes leave behind: temporary files, a dead worker's card and lock, sockets. And logs without end."""

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
"""Who works in a trial's folder, and that somebody does."""

TEMPORARY = re.compile(r"\..+\.(\d+|fetched)")
"""A file that was being written: ``.best.ckpt.4711``, with the writer's process id."""

SOCKETS = ".lightsearch"
"""Says, in the folder of a fork server's sockets, whose it is."""

LOG_BYTES = 10 << 20
"""How long a trial's log may get."""

HEAD_BYTES, TAIL_BYTES = 1 << 20, 4 << 20
"""What is kept of one that got longer."""

LOG_SECONDS = 0.5
"""How often a log's length is looked at."""


def remove_temporary(folder: Path) -> None:
    """Removes what dead workers were writing in a trial's folder; for whoever holds its lock.

    Args:
        folder: The trial's folder.
    """
    for file in folder.glob(".*"):
        match = TEMPORARY.fullmatch(file.name)
        if match and match[1] != str(os.getpid()):
            with contextlib.suppress(OSError):
                file.unlink()


def sweep(study: Path, ended: Iterable[int]) -> None:
    """Leaves in the folders of trials that have ended nothing but their results.

    Args:
        study: The study's folder.
        ended: Numbers of trials that no worker will work on any more.
    """
    for number in ended:
        sweep_folder(trial_folder(study, number))


def sweep_folder(folder: Path) -> None:
    """The same for the folder of one trial, or of one run of a retraining."""
    # A late worker may still be there; it ends by itself, and the next run finds what it left.
    with contextlib.suppress(OSError, Timeout):
        if not any(file.name != ".attempt" for file in folder.glob(".*")):
            return
        with FileLock(folder / LOCK, timeout=0):
            remove_temporary(folder)
            trim(folder / "log.txt")
            (folder / CARD).unlink(missing_ok=True)
            (folder / LOCK).unlink(missing_ok=True)


def own_sockets() -> None:
    """Notes whose the folder of this process's sockets is, which it removes if it is not killed."""
    with contextlib.suppress(OSError):
        (Path(util.get_temp_dir()) / SOCKETS).write_text(this_process().model_dump_json(), encoding="utf-8")


def sweep_sockets() -> None:
    """Removes the folders of sockets whose processes were killed."""
    for card in Path(tempfile.gettempdir()).glob(f"pymp-*/{SOCKETS}"):
        with contextlib.suppress(OSError, ValueError):
            if Owner.model_validate_json(card.read_text(encoding="utf-8")).is_dead():
                shutil.rmtree(card.parent, ignore_errors=True)


def keep_short(log: Path) -> threading.Event:
    """Has a thread keep a log short while it is written; what is written at that moment may be lost.

    Returns:
        Ends the thread, when set.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOG_SECONDS):
            trim(log)

    threading.Thread(target=watch, name=f"log {log.parent.name}", daemon=True).start()
    return done


def trim(log: Path) -> None:
    """Cuts the middle out of a log that is too long: its writers go on at its end."""
    with contextlib.suppress(OSError):  # it is not there; or the disk is full, and it can only get shorter
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
