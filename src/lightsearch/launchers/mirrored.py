"""Copies the files of running trials to the study's object store."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import threading
from pathlib import Path
from typing import NamedTuple

from lightsearch.atomic_files import make_folder, write_text
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job, Launcher
from lightsearch.storage.artifacts import Artifacts, SentFiles, results_in

SEND_SECONDS = 1.0
"""How often the new files of a trial are sent."""
ATTEMPT = ".attempt"
"""A file in a trial's folder with the number of the attempt that wrote the other files."""


class _Mirror(NamedTuple):
    """A running trial whose files are sent."""

    artifacts: Artifacts
    attempt: int
    folder: Path
    seen: SentFiles
    """The files that were sent."""
    lock: threading.Lock
    """Held while files are sent."""

    def send(self) -> None:
        with self.lock:
            self.artifacts.send(self.folder.name, self.attempt, self.folder, self.seen)


class MirroredLauncher:
    """A launcher that sends the files of running trials to an object store, so that they can continue elsewhere.

    A thread sends them: training does not wait for it. If a machine is lost, the epochs that were not sent are trained
    again.

    Args:
        inner: The launcher that runs the jobs.
        artifacts: The object store.
        scratch: Folder for trials' folders, which are deleted when trials end; None: the jobs' own folders are used.
    """

    def __init__(self, inner: Launcher, artifacts: Artifacts, scratch: Path | None = None) -> None:
        self._inner = inner
        self._artifacts = artifacts
        self._scratch = scratch
        self._mirrors: dict[int, _Mirror] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._keep_sending, name="artifacts", daemon=True).start()

    @property
    def slots(self) -> int:
        return self._inner.slots

    @property
    def blocks(self) -> bool:
        return self._inner.blocks

    def launch(self, job: Job) -> None:
        folder, attempt = job.folder, int(job.arguments["attempt"])
        if self._scratch is not None:
            folder = self._scratch / folder.name
        make_folder(folder)
        self._fetch_newest(folder, attempt)
        self._mirrors[job.number] = _Mirror(self._artifacts, attempt, folder, {}, threading.Lock())
        self._inner.launch(dataclasses.replace(job, folder=folder, arguments={**job.arguments, "folder": folder}))

    def wait(self, timeout: float) -> list[Ended]:
        return [self._send_last(ended) for ended in self._inner.wait(timeout)]

    def stop(self, number: int, *, kill: bool = False) -> None:
        self._inner.stop(number, kill=kill)

    def close(self) -> None:
        self._closed.set()
        self._inner.close()

    def _send_last(self, ended: Ended) -> Ended:
        """Sends the last files of a job that has ended."""
        mirror = self._mirrors.pop(ended.number)
        try:
            mirror.send()
        except ResourceUnavailable as error:
            return Ended(ended.number, CANNOT_WRITE, reason=str(error))
        finally:
            files = results_in(mirror.folder) if self._scratch is not None else {}
            if self._scratch is not None:
                shutil.rmtree(mirror.folder, ignore_errors=True)
        return dataclasses.replace(ended, files=files)

    def _fetch_newest(self, folder: Path, attempt: int) -> None:
        """Replaces the files in a trial's folder if a later attempt ran elsewhere."""
        file = folder / ATTEMPT
        here = int(file.read_text(encoding="utf-8")) if file.exists() else 0
        newest = self._artifacts.newest(folder.name, attempt - 1) if attempt > 1 else None
        if newest is not None and newest > here:
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
                elif not old.name.startswith(".worker"):  # the lock of a worker that may still run there
                    old.unlink()
            self._artifacts.fetch(folder.name, newest, folder)
        write_text(file, str(attempt))

    def _keep_sending(self) -> None:
        while not self._closed.wait(SEND_SECONDS):
            for mirror in list(self._mirrors.values()):
                # What fails is tried again; the last try, when the job has ended, reports the error.
                with contextlib.suppress(Exception):
                    mirror.send()
