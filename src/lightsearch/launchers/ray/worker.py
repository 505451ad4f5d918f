"""The worker: a Ray actor on a node, with its own launcher for one trial or one pack at a time."""

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
from lightsearch.launchers.ray import RayCluster
from lightsearch.launchers.ray.messages import WorkerSetup
from lightsearch.storage.artifacts import RESULT, Artifacts, results_in

TICK_SECONDS = 0.05
"""How often a worker checks whether a job has ended."""

HEARTBEAT_TIMEOUT_SECONDS = 30.0
"""A worker ends if it has had no heartbeat for this long: the cluster's head may be gone, and nothing else tells it."""


class Worker:
    """Runs jobs in worker processes, as a search on one machine does.

    Ray calls its methods on several threads: ``run`` takes as long as its job.

    Args:
        setup: What all trials of the search need.
        cluster: The resources of a trial.
        data_dir: Folder of the data files on this node; None: the default.
    """

    def __init__(self, setup: WorkerSetup, cluster: RayCluster, data_dir: str | None) -> None:
        if setup.shared:  # else Ray has copied the modules of that folder into the current one
            os.chdir(setup.folder)
        sys.path += [path for path in map(str, _module_folders(setup)) if path not in sys.path]
        self._data_dir = data_dir
        self._scratch = _scratch() if setup.artifacts else None
        self._lock = threading.Lock()
        self._ended: dict[int, Ended] = {}
        self._last_heartbeat = time.monotonic()
        self._launcher = self._make_launcher(ForkServer(setup.modules), setup, cluster)
        threading.Thread(target=self._end_without_heartbeat, daemon=True).start()

    def ping(self) -> None:
        """A heartbeat: the call shows that the driver is alive, the answer that the worker is."""
        self._last_heartbeat = time.monotonic()

    def run(self, job: Job) -> Ended:
        """Runs a job until it ends."""
        data_dir = job.arguments["data_dir"] and self._data_dir
        job = dataclasses.replace(job, arguments={**job.arguments, "data_dir": data_dir})
        try:
            with self._lock:
                self._launcher.launch(job)
        except ResourceUnavailable as error:  # its files cannot be fetched
            return Ended(job.number, CANNOT_WRITE, reason=str(error))
        while True:
            with self._lock:
                self._ended |= {ended.number: ended for ended in self._launcher.wait(0)}
                ended = self._ended.pop(job.number, None)
            if ended is not None:
                # The coordinator's machine may see the file in a shared folder only a little later.
                return ended if ended.files else dataclasses.replace(ended, files=_result(job.folder))
            time.sleep(TICK_SECONDS)

    def stop(self, number: int, kill: bool) -> None:
        """Asks a job to end at its next chance, or kills it."""
        with self._lock:
            self._launcher.stop(number, kill=kill)

    def _make_launcher(self, server: ForkServer, setup: WorkerSetup, cluster: RayCluster) -> Launcher:
        # Ray makes only the worker's own GPUs visible to it.
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

    def _end_without_heartbeat(self) -> None:
        while time.monotonic() - self._last_heartbeat < HEARTBEAT_TIMEOUT_SECONDS:
            time.sleep(1)
        os._exit(1)  # its trials notice that, and end with a checkpoint


def _result(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in results_in(folder).items() if name == RESULT}


def _scratch() -> Path:
    """A folder for trials whose files are sent to an object store. Deletes what dead workers have left on this node."""
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


def _module_folders(setup: WorkerSetup) -> Iterator[Path]:
    """The folders of the coordinator's ``sys.path``, as they are on this node."""
    for entry in setup.path:
        path = Path(setup.folder, entry)
        yield Path.cwd() / path.relative_to(setup.folder) if path.is_relative_to(setup.folder) else path


@ray.remote(num_cpus=0, max_retries=2)
def store_data(digest: str, files: dict[str, Any]) -> str:
    """Writes the data files on this node, unless they are there already, and returns their folder.

    Args:
        digest: A digest of the names and the contents of the files.
        files: Ray's references to the contents, by name; a node that has the files fetches none.
    """
    folder = _own_folder() / "data" / digest
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            staging = folder.with_name(f".{digest}.{os.getpid()}")
            for name, content in files.items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                ray.get(content).tofile(staging / name)
            staging.replace(folder)
    return str(folder)
