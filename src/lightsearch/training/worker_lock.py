"""One worker per trial: a stale worker, whose trial was given to another one, ends and overwrites nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from pydantic import ValidationError
from pytorch_lightning import Callback

from lightsearch.atomic_files import write_text
from lightsearch.errors import ResourceUnavailable
from lightsearch.machine import descendants, leftovers
from lightsearch.machine.owner import Owner, this_process
from lightsearch.outcome import Interrupted

END_SECONDS = 10.0
"""How long a stale worker may take to end when it is asked to; after that it is killed."""

ELSEWHERE_SECONDS = 60.0
"""How long to wait for a worker on another machine, which cannot be asked."""


class WorkerLock:
    """The lock of a trial's folder, which its process holds.

    Args:
        folder: The trial's folder.

    Raises:
        ResourceUnavailable: if a worker of another machine does not end, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._card = FileLock(folder / leftovers.LOCK), folder / leftovers.CARD
        self._acquire()

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Entered while another process may work in the folder. After an exception the lock stays released."""
        self.release()
        yield
        self._acquire()

    def release(self) -> None:
        """Releases the lock; if it is released, nothing happens."""
        if not self._lock.is_locked:
            return
        with contextlib.suppress(OSError):  # the folder has become read-only; only the lock matters
            self._card.unlink()
        with contextlib.suppress(OSError):  # the trial's code has closed the file, which released the lock
            self._lock.release()

    def _acquire(self) -> None:
        lock, card, folder = self._lock, self._card, self._folder
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _end_holder(lock, card, folder)
        except OSError as error:
            raise ResourceUnavailable(f"{folder} cannot be written to: {error.strerror or error}") from error
        try:
            if (before := _on_card(card)) is not None:
                descendants.kill_of_owner(before)
            leftovers.remove_temporary(folder)
            write_text(card, this_process().model_dump_json())
        except BaseException:
            self.release()
            raise


@contextlib.contextmanager
def sole_worker(folder: Path) -> Iterator[WorkerLock]:
    """Entered while a process works in a trial's folder; a process that still works there is ended first.

    The lock is the operating system's: it is free as soon as its holder is gone, for whatever reason. A holder is
    stale: its coordinator lost the trial, or has just died.

    Args:
        folder: The trial's folder.

    Raises:
        ResourceUnavailable: if a worker of another machine does not end, or the folder cannot be written to.
    """
    lock = WorkerLock(folder)
    try:
        yield lock
    finally:
        lock.release()


def _end_holder(lock: FileLock, card: Path, folder: Path) -> None:
    holder = _on_card(card)
    process = holder.process() if holder is not None else None
    steps: list[tuple[Callable[[], Any], float]] = [(lambda: None, ELSEWHERE_SECONDS)]
    if process is not None:
        print(f"process {process.pid} still works in {folder}; ending it", flush=True)
        steps = [(process.kill, END_SECONDS)]
        if process.status() != psutil.STATUS_STOPPED:  # a stopped process does not handle SIGTERM
            steps.insert(0, (process.terminate, END_SECONDS))
    for end, seconds in steps:
        with contextlib.suppress(psutil.NoSuchProcess):
            end()
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=seconds)
            return
    where = f"process {holder.pid} on {holder.host}" if holder is not None else "another process"
    raise ResourceUnavailable(f"{where} is still running in {folder} and did not stop")


def _on_card(card: Path) -> Owner | None:
    """The process that works, or worked, in a folder; None: it has just begun, or it ended normally."""
    try:
        return Owner.model_validate_json(card.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


class AttemptGuard(Callback):
    """Ends a fit at the end of an epoch, before anything is written, if another worker has taken over the trial.

    Args:
        attempt: Which start of the trial this is.
        current: Reads the number of the trial's newest start from the storage.
    """

    def __init__(self, attempt: int, current: Callable[[], int]) -> None:
        self.attempt = attempt
        self.current = current

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._check()  # before anything that an earlier attempt reported is taken back

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._check()

    def _check(self) -> None:
        newest = self.current()
        if newest != self.attempt:
            raise Interrupted(f"attempt {newest} of this trial has begun elsewhere; this is attempt {self.attempt}")
