"""The driver: the process that talks to Ray for a coordinator. Ray ends a process that loses its cluster.

The driver keeps a worker wherever one fits, gives jobs to workers, and reports how jobs end.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayActorError, RayError, RayTaskError

from lightsearch.errors import Mistake, first_line
from lightsearch.launchers import Ended, Job
from lightsearch.launchers.fork_server import end_with_parent
from lightsearch.launchers.ray import RayCluster
from lightsearch.launchers.ray.messages import (
    ClusterReport,
    NodeRequirements,
    NoUsableNode,
    StartWorkers,
    StopJob,
    WorkerCounts,
)
from lightsearch.launchers.ray.nodes import Nodes, is_ready, only_on
from lightsearch.launchers.ray.worker import Worker

TICK_SECONDS = 0.1

REFRESH_SECONDS = 2.0
"""Time between two reads of the list of nodes."""

MAX_FAILURES = 3
"""How many workers in a row may fail to start on a node before it is excluded."""

HEARTBEAT_SECONDS = 5.0
"""Time between two pings of a worker."""


@dataclass
class _WorkerHandle:
    """A worker, as the driver knows it."""

    node_id: str
    node: str
    """The name of its node."""
    actor: Any
    """Ray's handle of the worker."""
    ping: Any
    """Ray's reference to the answer to the last ping; None: the worker has answered."""
    started: bool = False
    """Whether it has answered its first ping."""
    jobs: dict[int, Job] = field(default_factory=dict)
    stops: set[StopJob] = field(default_factory=set)
    """The requests to stop that it was sent."""


def drive(connection: Connection, cluster: RayCluster, required: NodeRequirements, working_dir: str | None) -> None:
    """Runs the driver until the coordinator closes the connection.

    It sends a ``ClusterReport`` first. It receives ``StartWorkers``, then ``Job`` and ``StopJob``, and sends
    ``WorkerCounts`` and ``Ended``. It also sends strings: messages for the user.

    Args:
        connection: The connection to the coordinator.
        cluster: The cluster.
        required: What nodes must have.
        working_dir: A folder whose modules Ray sends to the nodes; None: the nodes see it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the coordinator decides
    end_with_parent()
    try:
        connect(cluster.address, working_dir)
    except Exception as error:  # Ray raises exceptions of many types
        connection.send(ClusterReport([not_connected(cluster.address, error)], 0))
        return
    with contextlib.suppress(EOFError):
        try:
            connection.send("connected; looking at the nodes ...")
            driver = _Driver(connection, cluster, required)
            connection.send(driver.report())
            driver.run(connection.recv())
        except (RayError, ConnectionError) as error:  # ray:// raises the latter
            with contextlib.suppress(BrokenPipeError):
                connection.send(f"Ray: {type(error).__name__}: {first_line(error)[:300]}")


def connect(address: str, working_dir: str | None) -> None:
    """Connects to a cluster that is known to answer."""
    environment: dict[str, Any] = {}
    if working_dir is not None:
        environment = {"working_dir": working_dir, "excludes": ["/studies/*/", "*.db*", "/reports/", "/data/", ".git/"]}
    ray.init(address, runtime_env=environment or None, log_to_driver=False, logging_level=logging.CRITICAL)


def not_connected(address: str, error: Exception) -> Mistake:
    """Why a cluster cannot be used, in one line."""
    if "find any running Ray" in str(error):
        hint = "there is no cluster on this machine; start one with ray start --head, or name one"
        return Mistake("--ray-address", address, hint)
    text = " ".join(str(error).split()) if "ersion mismatch" in str(error) else first_line(error)
    return Mistake("--ray-address", address, f"cannot be connected to: {text}"[:400])


class _Driver:
    def __init__(self, connection: Connection, cluster: RayCluster, required: NodeRequirements) -> None:
        self._connection = connection
        self._cluster = cluster
        self._nodes = Nodes(cluster.resources, required, connection.send)
        self._workers: list[_WorkerHandle] = []
        self._running: dict[Any, tuple[_WorkerHandle, Job]] = {}
        """The jobs that workers run, by Ray's references to their ends."""
        self._queue: list[Job] = []
        """Jobs that wait for a worker, because the slots that the coordinator counted on are gone."""
        self._sent: WorkerCounts | None = None
        """The last counts that the coordinator was sent."""

    def report(self) -> ClusterReport:
        """Checks every node on which a worker fits."""
        self._nodes.refresh()
        return ClusterReport(self._nodes.mistakes(), sum(node.fitting for node in self._nodes.known.values()))

    def run(self, start: StartWorkers) -> None:
        """Runs jobs until the coordinator closes the connection."""
        self._start = start
        self._request_nodes()
        next_refresh = next_heartbeat = 0.0
        while True:
            now = time.monotonic()
            if now >= next_refresh:
                next_refresh = now + REFRESH_SECONDS
                self._nodes.refresh()
            if now >= next_heartbeat:
                next_heartbeat = now + HEARTBEAT_SECONDS
                self._ping_workers()
            self._nodes.prepare()
            self._read_pings()
            self._start_workers()
            self._send_counts()
            self._send_ended()
            self._receive()
            self._assign_jobs()

    def _request_nodes(self) -> None:
        """Tells an autoscaler, if there is one, how many nodes are wanted."""
        if self._start.workers is not None:
            with contextlib.suppress(Exception):  # there is no autoscaler
                request_resources(bundles=[self._cluster.resources] * self._start.workers)

    def _ping_workers(self) -> None:
        for worker in self._workers:
            if worker.ping is None:
                worker.ping = worker.actor.ping.remote()

    def _read_pings(self) -> None:
        """Notes which workers have started, and removes those that are gone."""
        for worker in list(self._workers):
            if worker.ping is not None and is_ready(worker.ping):
                try:
                    ray.get(worker.ping)
                    worker.started, worker.ping = True, None
                    if (node := self._nodes.known.get(worker.node_id)) is not None:
                        node.failures = 0
                except RayError as error:
                    self._remove(worker, error)

    def _start_workers(self) -> None:
        """Starts as many workers as are wanted and fit, evenly over the nodes."""
        nodes = self._nodes.known
        free = {node_id: node.fitting for node_id, node in nodes.items() if node.usable}
        for worker in self._workers:
            if worker.node_id in free:
                free[worker.node_id] -= 1
        while len(self._workers) < self._start.at_most and max(free.values(), default=0) > 0:
            node_id = max(free, key=lambda one: free[one])
            free[node_id] -= 1
            node, setup = nodes[node_id], self._start.setup
            options = {"max_concurrency": 3 * setup.packing.size + 4, "scheduling_strategy": only_on(node_id)}
            takes = {"num_cpus": self._cluster.cpus_per_trial, "num_gpus": self._cluster.gpus_per_trial}
            remote: Any = ray.remote(Worker)
            actor = remote.options(**takes, **options).remote(setup, self._cluster, node.data_dir)
            self._workers.append(_WorkerHandle(node_id, node.name, actor, actor.ping.remote()))

    def _send_counts(self) -> None:
        """Tells the coordinator how many workers are running, when that has changed."""
        started = [worker for worker in self._workers if worker.started]
        names = [worker.node for worker in started]
        counts = WorkerCounts(
            len(started) * self._start.setup.packing.size, {name: names.count(name) for name in sorted(set(names))}
        )
        if counts != self._sent:
            self._sent = counts
            self._connection.send(counts)

    def _send_ended(self) -> None:
        """Waits a moment, and tells the coordinator which jobs have ended."""
        if not self._running:
            self._connection.poll(TICK_SECONDS)
            return
        references = list(self._running)
        if not ray.wait(references, num_returns=1, timeout=TICK_SECONDS)[0]:
            return
        for reference in ray.wait(references, num_returns=len(references), timeout=0)[0]:
            if reference not in self._running:
                continue  # it was reported when its worker was removed
            worker, job = self._running[reference]
            try:
                ended = ray.get(reference)
            except RayTaskError as error:  # the worker is alive, but could not run the job
                ended = Ended(job.number, 1, reason=first_line(error.cause)[:300])
            except RayError as error:
                self._remove(worker, error)
                continue
            del self._running[reference], worker.jobs[job.number]
            self._connection.send(ended)

    def _receive(self) -> None:
        """Handles what the coordinator has sent."""
        while self._connection.poll(0):
            message = self._connection.recv()
            if isinstance(message, StopJob):
                self._stop(message)
            else:
                self._queue.append(message)

    def _stop(self, stop: StopJob) -> None:
        if any(job.number == stop.number for job in self._queue):
            self._queue = [job for job in self._queue if job.number != stop.number]
            self._connection.send(Ended(stop.number, 0))
        for worker in self._workers:
            if stop.number in worker.jobs and stop not in worker.stops:
                worker.stops.add(stop)
                worker.actor.stop.remote(stop.number, stop.kill)

    def _assign_jobs(self) -> None:
        """Gives waiting jobs to workers with free slots, first to those with most jobs of the same batch key."""
        size = self._start.setup.packing.size
        while self._queue:
            started = [worker for worker in self._workers if worker.started]
            least = min((len(worker.jobs) for worker in started), default=0)
            free = [worker for worker in started if len(worker.jobs) <= min(least + size // 2, size - 1)]
            if not free:
                return
            job = self._queue.pop(0)

            def suits(worker: _WorkerHandle, batch_key: Any = job.batch_key) -> tuple[int, int]:
                return sum(batch_key == other.batch_key for other in worker.jobs.values()), -len(worker.jobs)

            worker = max(free, key=suits)
            worker.jobs[job.number] = job
            self._running[worker.actor.run.remote(job)] = worker, job

    def _remove(self, worker: _WorkerHandle, error: Exception) -> None:
        """Removes a worker that is gone, and reports the end of its jobs."""
        self._workers.remove(worker)
        if not isinstance(error, RayActorError):
            self._connection.send(f"a worker on node {worker.node}: {first_line(error)[:300]}")
        for reference, (one, job) in list(self._running.items()):
            if one is worker:
                del self._running[reference]
                reason, shared = f"its worker on node {worker.node} is gone", len(worker.jobs) > 1
                self._connection.send(Ended(job.number, 1, _out_of_memory(error), shared, reason, machine_lost=True))
        with contextlib.suppress(Exception):
            ray.kill(worker.actor)  # it may be alive, and only out of reach
        node = self._nodes.known.get(worker.node_id)
        if not worker.started and node is not None:
            node.failures += 1
            if node.failures >= MAX_FAILURES:
                lines = str(error).strip().splitlines()
                self._nodes.exclude(node, f"node {node.name}: no worker can be started: {lines[-1].strip()[:300]}")
                if self._start.workers is None and not any(one.fitting for one in self._nodes.known.values()):
                    self._connection.send(NoUsableNode(f"node {node.name}: {lines[-1].strip()[:300]}"))


def _out_of_memory(error: Exception) -> bool:
    """Whether Ray ended a worker because the memory of its node was full."""
    return "running low on memory" in str(error)
