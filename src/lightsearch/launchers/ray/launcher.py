"""The coordinator's side of a Ray cluster: a launcher whose workers are on its nodes."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
import uuid
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from lightsearch.atomic_files import write_bytes
from lightsearch.display.display import Display
from lightsearch.errors import Mistake, ResourceUnavailable
from lightsearch.launchers import Ended, Job
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.ray import Begin, NodeReport, NodeRequirements, NoUsableNode, RayCluster, Stop, Workers
from lightsearch.launchers.ray.look import boot, versions
from lightsearch.storage.artifacts import RESULTS, Artifacts

ANSWER_SECONDS = 5.0
"""How long a cluster's head may take to accept a connection."""

CONNECT_SECONDS = 25.0
"""How long Ray may take to connect to it; to what is no cluster it would try for minutes."""

LOOK_SECONDS = 90.0
"""How long its nodes may take to be looked at."""

LOST_SECONDS = 300.0
"""How long a cluster that was lost in mid-search is waited for."""

AGAIN_SECONDS = 3.0
"""How often it is tried to connect again."""

CLOSE_SECONDS = 10.0
"""How long the driver may take to end."""

RAYS = {"RAY_gcs_rpc_server_reconnect_timeout_s": "30"}
"""Ray's settings in the driver's process, where the user has no others: how long it waits for a head that is gone."""

MOST_FILES, MOST_BYTES = 10_000, 10 * 2**30
"""Data beyond these is not sent to nodes: it belongs on a shared folder."""


class RayLauncher:
    """Runs jobs on a cluster's nodes. When the cluster is lost, what ran there is started again once it is back.

    Args:
        server: Where the driver comes from.
        cluster: The cluster.
        folder: Where trials' files go; the nodes must see it. None: into an object store.
        shared: Whether nodes see this machine's folders, and so the user's modules.
        on_this_machine: Whether they must be this machine: the storage is a file.
        data_dir: Folder of the data files; None: not named.
        display: Where it is shown how the cluster is.
    """

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
        self._expected = NodeRequirements(versions(), probe, machine, data_dir, listing(data_dir))
        self._begin: Begin | None = None
        self._artifacts: Artifacts | None = None
        self._workers = Workers()
        self._jobs: dict[int, Job] = {}
        self._unsent: list[Job] = []
        """Jobs that wait for the cluster to be there again."""
        self._ended: list[Ended] = []
        self._connected = False
        self._lost_since: float | None = None
        self._process: ForkServerProcess | None = None
        self._connection: Connection
        self._again = 0.0
        """When to try to connect again."""
        try:
            self._start_driver()
            self.found = self._first_look()
            """What was found on the nodes: mistakes, and how many workers fit."""
        except BaseException:
            self.close()
            raise

    def begin(self, begin: Begin, artifacts: Artifacts | None) -> None:
        """Has workers started.

        Args:
            begin: What they need to know, and how many there are to be.
            artifacts: Where trials' files go; None: their folders are shared.
        """
        self._begin, self._artifacts = begin, artifacts
        self._send(begin)

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
            self._connect_again(timeout)
        elif not self._ended:
            wait([self._connection], timeout)
        self._hear()
        self._display.place(str(self._workers))
        ended, self._ended = self._ended, []
        for one in ended:
            job = self._jobs.pop(one.number)
            if one.machine_lost and self._artifacts is not None:
                with contextlib.suppress(ResourceUnavailable):  # how far it had got is not worth a search
                    self._artifacts.fetch(job.folder.name, int(job.arguments["attempt"]), job.folder, RESULTS)
            for name, content in one.files.items():
                write_bytes(job.folder / name, content)
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None:
        unsent = [job for job in self._unsent if job.number == number]
        self._unsent = [job for job in self._unsent if job.number != number]
        self._ended += [Ended(job.number, 0) for job in unsent]
        if self._connected and not unsent:
            self._send(Stop(number, kill))

    def close(self) -> None:
        self._end_driver()
        if self._probe is not None:
            self._probe.unlink(missing_ok=True)

    def _start_driver(self) -> None:
        self._process, self._connection = self._server.start(_drive, self._cluster, self._expected, self._working_dir)

    def _end_driver(self) -> None:
        process, connected = self._process, self._connected
        self._process, self._connected = None, False
        if process is not None:
            self._connection.close()  # it hangs up, and Ray ends the workers
            if connected:
                process.join(CLOSE_SECONDS)
            process.kill()
            process.join()
            process.close()

    def _first_look(self) -> NodeReport:
        wait_seconds = CONNECT_SECONDS
        with contextlib.suppress(EOFError):
            while self._connection.poll(wait_seconds):
                word = self._connection.recv()
                if isinstance(word, NodeReport):
                    self._connected = not word.mistakes
                    return word
                self._say(word)
                wait_seconds = LOOK_SECONDS
        return NodeReport([Mistake("--ray-address", self._cluster.address, "is no Ray cluster that answers")], 0)

    def _hear(self) -> None:
        """Takes what the driver has sent; if it is gone, so is what ran on the cluster."""
        if self._process is None:
            return
        try:
            while self._connection.poll():
                self._take(self._connection.recv())
        except (EOFError, OSError):
            self._lose("Ray has ended")

    def _take(self, word: Any) -> None:
        if isinstance(word, Workers):
            self._workers = word
        elif isinstance(word, Ended):
            if word.number in self._jobs:
                self._ended.append(word)
        elif isinstance(word, NodeReport):
            if word.mistakes and not word.fitting:
                self._lose(str(word.mistakes[0]))
            else:
                self._connected, self._lost_since = True, None
                self._say("the Ray cluster is there again")
                self._send(self._begin)
                self._send_jobs()
        elif isinstance(word, NoUsableNode):
            raise ResourceUnavailable(f"no worker can be started on the Ray cluster: {word.why}")
        else:
            self._say(str(word))

    def _lose(self, why: str) -> None:
        """The cluster, or the way to it, is gone: what ran there is started again once it is back."""
        self._end_driver()
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            self._say(f"the Ray cluster at {self._cluster.address} is gone ({why}); waiting for it")
        self._workers = Workers()
        self._display.place("")
        unsent = {job.number for job in self._unsent}
        lost = self._jobs.keys() - unsent - {ended.number for ended in self._ended}
        reason = "the Ray cluster is gone"
        self._ended += [Ended(number, 1, reason=reason, machine_lost=True) for number in sorted(lost)]

    def _connect_again(self, timeout: float) -> None:
        time.sleep(timeout)
        if time.monotonic() > self._again:
            self._again = time.monotonic() + AGAIN_SECONDS
            if not check_cluster(self._cluster):
                self._start_driver()

    def _send_jobs(self) -> None:
        if self._connected:
            jobs, self._unsent = self._unsent, []
            for job in jobs:
                self._send(job)

    def _send(self, word: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is gone; wait() finds out
            self._connection.send(word)


def check_cluster(cluster: RayCluster) -> list[Mistake]:
    """What keeps a cluster from being used, found within seconds: Ray itself takes a minute."""
    if find_spec("ray") is None:
        return [Mistake("--on", "ray", 'needs Ray: pip install -e ".[ray]"')]
    address = os.environ.get("RAY_ADDRESS", "") if cluster.address == "auto" else cluster.address
    if not address or address == "auto":
        return cluster.mistakes  # Ray looks for one on this machine
    match = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address)
    if match is None:
        return [Mistake("--ray-address", address, "write auto, HOST:PORT or ray://HOST:PORT"), *cluster.mistakes]
    try:
        socket.create_connection((match[1], int(match[2])), ANSWER_SECONDS).close()
    except OSError as error:
        hint = f"does not answer: {error.strerror or error}; is the cluster up, and its address right?"
        return [Mistake("--ray-address", address, hint), *cluster.mistakes]
    return cluster.mistakes


def listing(folder: str | None) -> dict[str, int] | None:
    """The files below a folder with their sizes in bytes, hidden ones left out; None: they are too much to send."""
    found: dict[str, int] = {}
    total = 0
    if folder is None:
        return found
    for file in Path(folder).rglob("*"):
        name = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = file.stat().st_size
            total += found[name.as_posix()]
        if len(found) > MOST_FILES or total > MOST_BYTES:
            return None
    return dict(sorted(found.items()))


def _drive(*arguments: Any) -> None:
    """``drive``, imported where Ray may be."""
    os.environ |= RAYS | os.environ
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Ray's own talk; what matters, the driver says
    from lightsearch.launchers.ray.driver import drive

    drive(*arguments)
