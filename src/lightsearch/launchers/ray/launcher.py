"""The coordinator's side of a Ray cluster: a launcher whose workers run on its nodes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from lightsearch.atomic_files import write_bytes
from lightsearch.display.display import Display
from lightsearch.errors import Mistake, ResourceUnavailable
from lightsearch.launchers import Ended, Job
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.ray import RayCluster
from lightsearch.launchers.ray.check import check_cluster
from lightsearch.launchers.ray.messages import (
    ClusterReport,
    NodeRequirements,
    NoUsableNode,
    StartWorkers,
    StopJob,
    WorkerCounts,
)
from lightsearch.launchers.ray.node_report import boot, versions
from lightsearch.storage.artifacts import RESULTS, Artifacts

CONNECT_SECONDS = 25.0
"""How long Ray may take to connect; where there is no cluster it would try for minutes."""

REPORT_SECONDS = 90.0
"""How long the nodes may take to report."""

LOST_SECONDS = 300.0
"""How long to wait for a cluster that was lost during the search."""

RECONNECT_SECONDS = 3.0
"""Time between two attempts to connect again."""

CLOSE_SECONDS = 10.0
"""How long the driver may take to end."""

RAY_SETTINGS = {"RAY_gcs_rpc_server_reconnect_timeout_s": "30"}
"""Environment variables of the driver, unless the user sets them: how long Ray waits for a head that is gone."""

MAX_FILES, MAX_BYTES = 10_000, 10 * 2**30
"""Larger data is not sent to nodes: it belongs in a shared folder."""


class RayLauncher:
    """Runs jobs on the nodes of a cluster. If the cluster is lost, its jobs end, to be started again once it is back.

    Args:
        server: The fork server that starts the driver.
        cluster: The cluster.
        folder: Folder for trials' files, which the nodes must see; None: they go to an object store.
        shared: Whether nodes see this machine's folders, and so the user's modules.
        on_this_machine: Whether nodes must be this machine, because the storage is a file.
        data_dir: Folder of the data files; None: the default.
        display: Shows the state of the cluster.
    """

    blocks = False

    def __init__(
        self,
        server: ForkServer,
        cluster: RayCluster,
        *,
        folder: Path | None,
        shared: bool,
        on_this_machine: bool,
        data_dir: str | None,
        display: Display,
    ) -> None:
        self._server = server
        self._cluster = cluster
        self._display = display
        self._say = display.message
        self._working_dir = None if shared else str(Path.cwd())
        self._probe: Path | None = None
        if folder is not None:
            there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
            self._probe = there / f".lightsearch-{uuid.uuid4().hex}"
            self._probe.touch()
        probe = None if self._probe is None else str(self._probe)
        machine = boot() if on_this_machine else None
        self._required = NodeRequirements(versions(), probe, machine, data_dir, list_files(data_dir))
        self._start: StartWorkers | None = None
        self._artifacts: Artifacts | None = None
        self._workers = WorkerCounts()
        self._jobs: dict[int, Job] = {}
        self._unsent: list[Job] = []
        """Jobs that wait for the cluster."""
        self._ended: list[Ended] = []
        self._connected = False
        self._lost_since: float | None = None
        self._process: ForkServerProcess | None = None
        self._connection: Connection
        self._next_attempt = 0.0
        """When to try to connect again (``time.monotonic``)."""
        try:
            self._start_driver()
            self.found = self._first_report()
            """What the driver has found on the nodes."""
        except BaseException:
            self.close()
            raise

    def begin(self, start: StartWorkers, artifacts: Artifacts | None) -> None:
        """Starts the workers.

        Args:
            start: How many workers, and what they need.
            artifacts: The object store for trials' files; None: their folders are shared.
        """
        self._start, self._artifacts = start, artifacts
        self._send(start)

    @property
    def slots(self) -> int:
        return self._workers.slots

    def launch(self, job: Job) -> None:
        self._jobs[job.number] = job
        self._unsent.append(job)
        self._send_jobs()

    def wait(self, timeout: float) -> list[Ended]:
        if self._lost_since is not None and time.monotonic() - self._lost_since > LOST_SECONDS:
            raise ResourceUnavailable(
                f"the Ray cluster at {self._cluster.address} has been gone for {LOST_SECONDS:.0f} s"
            )
        if self._process is None:
            self._reconnect(timeout)
        elif not self._ended:
            wait([self._connection], timeout)
        self._receive()
        self._display.show_workers(str(self._workers))
        ended, self._ended = self._ended, []
        for one in ended:
            job = self._jobs.pop(one.number)
            if one.machine_lost and self._artifacts is not None:
                with contextlib.suppress(ResourceUnavailable):  # without them the trial only repeats more epochs
                    self._artifacts.fetch(job.folder.name, int(job.arguments["attempt"]), job.folder, RESULTS)
            for name, content in one.files.items():
                write_bytes(job.folder / name, content)
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        unsent = [job for job in self._unsent if job.number == number]
        self._unsent = [job for job in self._unsent if job.number != number]
        self._ended += [Ended(job.number, 0) for job in unsent]
        if self._connected and not unsent:
            self._send(StopJob(number, kill))

    def close(self) -> None:
        self._end_driver()
        if self._probe is not None:
            self._probe.unlink(missing_ok=True)

    def _start_driver(self) -> None:
        self._process, self._connection = self._server.start(_drive, self._cluster, self._required, self._working_dir)

    def _end_driver(self) -> None:
        process, connected = self._process, self._connected
        self._process, self._connected = None, False
        if process is not None:
            self._connection.close()  # the driver ends then, and Ray ends the workers
            if connected:
                process.join(CLOSE_SECONDS)
            process.kill()
            process.join()
            process.close()

    def _first_report(self) -> ClusterReport:
        wait_seconds = CONNECT_SECONDS
        with contextlib.suppress(EOFError):
            while self._connection.poll(wait_seconds):
                message = self._connection.recv()
                if isinstance(message, ClusterReport):
                    self._connected = not message.mistakes
                    return message
                self._say(message)
                wait_seconds = REPORT_SECONDS
        return ClusterReport([Mistake("--ray-address", self._cluster.address, "is no Ray cluster that answers")], 0)

    def _receive(self) -> None:
        """Handles what the driver has sent. If the driver is gone, so is the cluster."""
        if self._process is None:
            return
        try:
            while self._connection.poll():
                self._handle(self._connection.recv())
        except (EOFError, OSError):
            self._lose("Ray has ended")

    def _handle(self, message: Any) -> None:
        if isinstance(message, WorkerCounts):
            self._workers = message
        elif isinstance(message, Ended):
            if message.number in self._jobs:
                self._ended.append(message)
        elif isinstance(message, ClusterReport):
            if message.mistakes and not message.fitting:
                self._lose(str(message.mistakes[0]))
            else:
                self._connected, self._lost_since = True, None
                self._say("the Ray cluster is there again")
                self._send(self._start)
                self._send_jobs()
        elif isinstance(message, NoUsableNode):
            raise ResourceUnavailable(f"no worker can be started on the Ray cluster: {message.reason}")
        else:
            self._say(str(message))

    def _lose(self, cause: str) -> None:
        """Ends all jobs on the cluster, because it or the connection to it is lost."""
        self._end_driver()
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            self._say(f"the Ray cluster at {self._cluster.address} is gone ({cause}); waiting for it")
        self._workers = WorkerCounts()
        self._display.show_workers("")
        unsent = {job.number for job in self._unsent}
        lost = self._jobs.keys() - unsent - {ended.number for ended in self._ended}
        reason = "the Ray cluster is gone"
        self._ended += [Ended(number, 1, reason=reason, machine_lost=True) for number in sorted(lost)]

    def _reconnect(self, timeout: float) -> None:
        time.sleep(timeout)
        if time.monotonic() > self._next_attempt:
            self._next_attempt = time.monotonic() + RECONNECT_SECONDS
            if not check_cluster(self._cluster):
                self._start_driver()

    def _send_jobs(self) -> None:
        if self._connected:
            jobs, self._unsent = self._unsent, []
            for job in jobs:
                self._send(job)

    def _send(self, message: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the driver is gone; wait() finds out
            self._connection.send(message)


def list_files(folder: str | None) -> dict[str, int] | None:
    """The files below a folder, without hidden ones, with their sizes in bytes; None: they are too large to send."""
    found: dict[str, int] = {}
    total = 0
    if folder is None:
        return found
    for file in Path(folder).rglob("*"):
        name = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = file.stat().st_size
            total += found[name.as_posix()]
        if len(found) > MAX_FILES or total > MAX_BYTES:
            return None
    return dict(sorted(found.items()))


def _drive(*arguments: Any) -> None:
    """Calls ``drive``; imports Ray in the driver's process only."""
    os.environ |= RAY_SETTINGS | os.environ
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Ray's own messages; the driver sends what matters
    from lightsearch.launchers.ray.driver import drive

    drive(*arguments)
