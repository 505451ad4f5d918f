"""What runs on a node: a worker, which is an actor of Ray's, has a launcher of its own for one trial or one pack."""

from __future__ import annotations

import dataclasses
import getpass
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import ray
from filelock import FileLock

from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job, Launcher
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.mirrored import MirroredLauncher
from lightsearch.launchers.packs import PackLauncher
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.launchers.ray import RayCluster, Setup
from lightsearch.storage.artifacts import RESULT, Artifacts, results_in

TICK_SECONDS = 0.05
"""How often a worker looks whether a trial has ended."""

ALONE_SECONDS = 30.0
"""A worker that has not heard from its driver for so long ends: the cluster's head is gone, and nobody tells it."""


class Worker:
    """Runs trials in processes of their own, as a search on one machine does.

    Its calls come on several threads: ``run`` takes as long as its trial.

    Args:
        setup: What the search needs.
        cluster: What a trial takes.
        data_dir: Folder of the data files on this node; None: not named.
    """

    def __init__(self, setup: Setup, cluster: RayCluster, data_dir: str | None) -> None:
        if setup.shared:  # else Ray has put a copy of the folder's modules where this process is
            os.chdir(setup.folder)
        sys.path += [path for path in map(str, _here(setup)) if path not in sys.path]
        self._data_dir = data_dir
        self._scratch = _scratch() if setup.artifacts else None
        self._lock = threading.Lock()
        self._ended: dict[int, Ended] = {}
        self._heard = time.monotonic()
        self._launcher = self._launch_with(ForkServer(setup.modules), setup, cluster)
        threading.Thread(target=self._end_when_alone, daemon=True).start()

    def hear(self) -> None:
        """Hears that its driver is there; its answer tells that the worker is."""
        self._heard = time.monotonic()

    def run(self, job: Job) -> Ended:
        """Runs a job to its end."""
        data_dir = job.arguments["data_dir"] and self._data_dir
        job = dataclasses.replace(job, arguments={**job.arguments, "data_dir": data_dir})
        try:
            with self._lock:
                self._launcher.launch(job)
        except ResourceUnavailable as error:  # its files could not be fetched
            return Ended(job.number, CANNOT_WRITE, reason=str(error))
        while True:
            with self._lock:
                self._ended |= {ended.number: ended for ended in self._launcher.wait(0)}
                ended = self._ended.pop(job.number, None)
            if ended is not None:
                # Another machine may see what was written here a little later.
                return ended if ended.files else dataclasses.replace(ended, files=_result(job.folder))
            time.sleep(TICK_SECONDS)

    def stop(self, number: int, kill: bool) -> None:
        """Asks a job to end, or ends it."""
        with self._lock:
            self._launcher.stop(number, kill=kill)

    def _launch_with(self, server: ForkServer, setup: Setup, cluster: RayCluster) -> Launcher:
        # Ray shows each worker its own GPUs alone.
        gpus = max(int(cluster.gpus_per_trial), 1 if cluster.gpus_per_trial else 0)
        threads = max(1, int(cluster.cpus_per_trial) // setup.devices)
        launcher: Launcher
        if setup.packing.size > 1:
            launcher = PackLauncher(server, setup.packing, workers=1, threads=threads, accelerators=gpus)
        else:
            launcher = ProcessLauncher(server, workers=1, threads=threads, accelerators=gpus, devices=setup.devices)
        if setup.artifacts is not None:
            launcher = MirroredLauncher(launcher, Artifacts(setup.artifacts), self._scratch)
        return launcher

    def _end_when_alone(self) -> None:
        while time.monotonic() - self._heard < ALONE_SECONDS:
            time.sleep(1)
        os._exit(1)  # its trials notice, and leave their checkpoints


def _result(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in results_in(folder).items() if name == RESULT}


def _scratch() -> Path:
    """A folder for trials on this node, which are sent away; what workers that are gone have left there is deleted."""
    parent = _own_folder() / "trials"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in parent.iterdir():
        if left.name.isdigit() and not psutil.pid_exists(int(left.name)):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / str(os.getpid())
    folder.mkdir(exist_ok=True)
    return folder


def _own_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"lightsearch-{getpass.getuser()}"


def _here(setup: Setup) -> Iterator[Path]:
    """Where modules are found, here."""
    for entry in setup.path:
        path = Path(setup.folder, entry)
        yield Path.cwd() / path.relative_to(setup.folder) if path.is_relative_to(setup.folder) else path


@ray.remote(num_cpus=0, max_retries=2)
def place_data(digest: str, parts: dict[str, Any]) -> str:
    """Has the data files on this node, and returns their folder; the first to ask writes them, once.

    Args:
        digest: Of the files' names and contents.
        parts: Their contents in Ray's object store, by their names; a node that has the files fetches none.
    """
    folder = _own_folder() / "data" / digest
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            staging = folder.with_name(f".{digest}.{os.getpid()}")
            for name, part in parts.items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                ray.get(part).tofile(staging / name)
            staging.replace(folder)
    return str(folder)
