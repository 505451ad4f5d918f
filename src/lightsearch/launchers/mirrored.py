"""Sends the files of the trials that another launcher runs to the study's artifacts, as they come to be."""

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
from lightsearch.storage.artifacts import Artifacts, Seen, results_in

SEND_SECONDS = 1.0
"""How often a trial's new files are sent."""
MARK = ".attempt"
"""A file in a trial's folder that says which start of it the other files there are of."""


class _Sent(NamedTuple):
    artifacts: Artifacts
    attempt: int
    folder: Path
    seen: Seen
    lock: threading.Lock
    """Held while something is sent."""

    def send(self) -> None:
        with self.lock:
            self.artifacts.send(self.folder.name, self.attempt, self.folder, self.seen)


class MirroredLauncher:
    """A launcher whose trials' files are sent away while they run, so that they can go on elsewhere.

    Sending has a thread of its own: training does not wait for it. What had not been sent when a machine was lost is
    trained once more.

    Args:
        inner: Runs the jobs.
        artifacts: Where their files go.
        scratch: Where trials' folders are made, and deleted when they end; None: the jobs' own folders are here.
    """

    def __init__(self, inner: Launcher, artifacts: Artifacts, scratch: Path | None = None) -> None:
        self._inner = inner
        self._artifacts = artifacts
        self._scratch = scratch
        self._sent: dict[int, _Sent] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._keep_sending, name="artifacts", daemon=True).start()

    @property
    def slots(self) -> int:
        return self._inner.slots

    def launch(self, job: Job) -> None:
        folder, attempt = job.folder, int(job.arguments["attempt"])
        if self._scratch is not None:
            folder = self._scratch / folder.name
        make_folder(folder)
        self._bring(folder, attempt)
        self._sent[job.number] = _Sent(self._artifacts, attempt, folder, {}, threading.Lock())
        self._inner.launch(dataclasses.replace(job, folder=folder, arguments={**job.arguments, "folder": folder}))

    def wait(self, timeout: float) -> list[Ended]:
        return [self._last_sent(ended) for ended in self._inner.wait(timeout)]

    def stop(self, number: int, *, kill: bool = False) -> None:
        self._inner.stop(number, kill=kill)

    def close(self) -> None:
        self._closed.set()
        self._inner.close()

    def _last_sent(self, ended: Ended) -> Ended:
        """Sends what a job has left."""
        sent = self._sent.pop(ended.number)
        try:
            sent.send()
        except ResourceUnavailable as error:
            return Ended(ended.number, CANNOT_WRITE, reason=str(error))
        finally:
            files = results_in(sent.folder) if self._scratch is not None else {}
            if self._scratch is not None:
                shutil.rmtree(sent.folder, ignore_errors=True)
        return dataclasses.replace(ended, files=files)

    def _bring(self, folder: Path, attempt: int) -> None:
        """Has the files of the trial's newest start in its folder, if it ran elsewhere since it ran here."""
        mark = folder / MARK
        here = int(mark.read_text(encoding="utf-8")) if mark.exists() else 0
        newest = self._artifacts.newest(folder.name, attempt - 1) if attempt > 1 else None
        if newest is not None and newest > here:
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
                elif not old.name.startswith(".worker"):  # the lock of who may still be working there
                    old.unlink()
            self._artifacts.fetch(folder.name, newest, folder)
        write_text(mark, str(attempt))

    def _keep_sending(self) -> None:
        while not self._closed.wait(SEND_SECONDS):
            for sent in list(self._sent.values()):
                # What fails is tried again; the last time, as the trial ends, it is told.
                with contextlib.suppress(Exception):
                    sent.send()
