"""The process that talks to Ray for a coordinator. It is one of its own because Ray ends it when a cluster is lost.

It has a worker wherever one fits, hands jobs to workers, and says what became of them.
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

from lightsearch.errors import Mistake
from lightsearch.launchers import Ended, Job
from lightsearch.launchers.fork_server import end_with_parent
from lightsearch.launchers.ray import Begin, NodeReport, NodeRequirements, NoUsableNode, RayCluster, Stop, Workers
from lightsearch.launchers.ray.nodes import Nodes, first_line, is_there, only_on
from lightsearch.launchers.ray.worker import Worker

TICK_SECONDS = 0.1

NODES_SECONDS = 2.0
"""How often the nodes are looked at."""

MAX_FAILURES = 3
"""How many workers in a row may fail to start on a node before it is given up."""

HEARTBEAT_SECONDS = 5.0
"""How often workers are told that their driver is there."""


@dataclass
class _WorkerHandle:
    """A worker, as the driver knows it."""

    node_id: str
    node: str
    """The node's name."""
    actor: Any
    ping: Any
    """Ray's reference to its answer to the last heartbeat; the first one says that it is there."""
    there: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    stops: set[Stop] = field(default_factory=set)
    """What it was asked to end."""


def drive(connection: Connection, cluster: RayCluster, expected: NodeRequirements, working_dir: str | None) -> None:
    """The driver's whole life. It sends ``NodeReport`` and, once it was sent ``Begin``, ``Workers`` and ``Ended``.

    It takes jobs and ``Stop``, until the coordinator hangs up. A line of text is for the user.

    Args:
        connection: To the coordinator.
        cluster: The cluster.
        expected: What nodes must be like.
        working_dir: A folder whose modules the nodes are sent; None: they see it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches all processes; the coordinator decides
    end_with_parent()
    try:
        connect(cluster.address, working_dir)
    except Exception as error:  # Ray raises whatever comes to it
        connection.send(NodeReport([not_connected(cluster.address, error)], 0))
        return
    with contextlib.suppress(EOFError):
        try:
            connection.send("connected; looking at the nodes ...")
            driver = _Driver(connection, cluster, expected)
            connection.send(driver.look())
            driver.run(connection.recv())
        except (RayError, ConnectionError) as error:  # ray:// raises the latter
            with contextlib.suppress(BrokenPipeError):
                connection.send(f"Ray: {type(error).__name__}: {first_line(error)}")


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
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines) if "ersion mismatch" in str(error) else (lines or [type(error).__name__])[0]
    return Mistake("--ray-address", address, f"cannot be connected to: {text}"[:400])


class _Driver:
    def __init__(self, connection: Connection, cluster: RayCluster, expected: NodeRequirements) -> None:
        self._connection = connection
        self._cluster = cluster
        self._nodes = Nodes(cluster.resources, expected, connection.send)
        self._hired: list[_WorkerHandle] = []
        self._running: dict[Any, tuple[_WorkerHandle, Job]] = {}
        """Ray's references to how jobs end."""
        self._queue: list[Job] = []
        """Jobs that wait for a worker, because the last one that they had is gone."""
        self._said: Workers | None = None

    def look(self) -> NodeReport:
        """Looks at every node that a worker fits on."""
        self._nodes.find()
        return NodeReport(self._nodes.mistakes(), sum(node.fitting for node in self._nodes.known.values()))

    def run(self, begin: Begin) -> None:
        """Until the coordinator hangs up."""
        self._begin = begin
        self._ask_for_nodes()
        next_look = next_heartbeat = 0.0
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + NODES_SECONDS
                self._nodes.find()
            if now >= next_heartbeat:
                next_heartbeat = now + HEARTBEAT_SECONDS
                for worker in self._hired:
                    if worker.ping is None:
                        worker.ping = worker.actor.hear.remote()
            self._nodes.tend()
            self._hear_workers()
            self._hire()
            self._tell_workers()
            self._gather()
            self._listen()
            self._hand_out()

    def _ask_for_nodes(self) -> None:
        """Tells an autoscaler, if there is one, what is wanted."""
        if self._begin.workers is not None:
            with contextlib.suppress(Exception):  # nobody else listens
                request_resources(bundles=[self._cluster.resources] * self._begin.workers)

    def _listen(self) -> None:
        """Takes what the coordinator has sent."""
        while self._connection.poll(0):
            word = self._connection.recv()
            if isinstance(word, Stop):
                self._stop(word)
            else:
                self._queue.append(word)

    def _stop(self, word: Stop) -> None:
        if any(job.number == word.number for job in self._queue):
            self._queue = [job for job in self._queue if job.number != word.number]
            self._connection.send(Ended(word.number, 0))
        for worker in self._hired:
            if word.number in worker.jobs and word not in worker.stops:
                worker.stops.add(word)
                worker.actor.stop.remote(word.number, word.kill)

    def _hear_workers(self) -> None:
        """Notes which workers are there, and which are gone."""
        for worker in list(self._hired):
            if worker.ping is not None and is_there(worker.ping):
                try:
                    ray.get(worker.ping)
                    worker.there, worker.ping = True, None
                    if (node := self._nodes.known.get(worker.node_id)) is not None:
                        node.failures = 0
                except RayError as error:
                    self._lose(worker, error)

    def _hire(self) -> None:
        """Has as many workers as are wanted and fit, on all nodes evenly."""
        nodes = self._nodes.known
        free = {node_id: node.fitting for node_id, node in nodes.items() if node.usable}
        for worker in self._hired:
            if worker.node_id in free:
                free[worker.node_id] -= 1
        while len(self._hired) < self._begin.at_most and max(free.values(), default=0) > 0:
            node_id = max(free, key=lambda one: free[one])
            free[node_id] -= 1
            node, setup = nodes[node_id], self._begin.setup
            options = {"max_concurrency": 3 * setup.packing.size + 4, "scheduling_strategy": only_on(node_id)}
            takes = {"num_cpus": self._cluster.cpus_per_trial, "num_gpus": self._cluster.gpus_per_trial}
            hire: Any = ray.remote(Worker)
            actor = hire.options(**takes, **options).remote(setup, self._cluster, node.data_dir)
            self._hired.append(_WorkerHandle(node_id, node.name, actor, actor.hear.remote()))

    def _tell_workers(self) -> None:
        """Tells the coordinator how many workers there are, when that has changed."""
        there = [worker for worker in self._hired if worker.there]
        names = [worker.node for worker in there]
        told = Workers(
            len(there) * self._begin.setup.packing.size, {name: names.count(name) for name in sorted(set(names))}
        )
        if told != self._said:
            self._said = told
            self._connection.send(told)

    def _hand_out(self) -> None:
        """Gives waiting jobs to workers with free places: to those with most jobs of the same kind."""
        size = self._begin.setup.packing.size
        while self._queue:
            there = [worker for worker in self._hired if worker.there]
            least = min((len(worker.jobs) for worker in there), default=0)
            free = [worker for worker in there if len(worker.jobs) <= min(least + size // 2, size - 1)]
            if not free:
                return
            job = self._queue.pop(0)

            def suits(worker: _WorkerHandle, kind: Any = job.batch_key) -> tuple[int, int]:
                return sum(kind == other.batch_key for other in worker.jobs.values()), -len(worker.jobs)

            worker = max(free, key=suits)
            worker.jobs[job.number] = job
            self._running[worker.actor.run.remote(job)] = worker, job

    def _gather(self) -> None:
        """Tells which jobs have ended, after a moment."""
        if not self._running:
            self._connection.poll(TICK_SECONDS)
            return
        references = list(self._running)
        if not ray.wait(references, num_returns=1, timeout=TICK_SECONDS)[0]:
            return
        for reference in ray.wait(references, num_returns=len(references), timeout=0)[0]:
            if reference not in self._running:
                continue  # told already, with its worker's end
            worker, job = self._running[reference]
            try:
                ended = ray.get(reference)
            except RayTaskError as error:  # the worker is there, but could not run it
                ended = Ended(job.number, 1, reason=first_line(error.cause))
            except RayError as error:
                self._lose(worker, error)
                continue
            del self._running[reference], worker.jobs[job.number]
            self._connection.send(ended)

    def _lose(self, worker: _WorkerHandle, error: Exception) -> None:
        """A worker is gone, and its jobs with it."""
        self._hired.remove(worker)
        if not isinstance(error, RayActorError):
            self._connection.send(f"a worker on node {worker.node}: {first_line(error)}")
        for reference, (one, job) in list(self._running.items()):
            if one is worker:
                del self._running[reference]
                reason, company = f"its worker on node {worker.node} is gone", len(worker.jobs) > 1
                self._connection.send(Ended(job.number, 1, _for_memory(error), company, reason, machine_lost=True))
        with contextlib.suppress(Exception):
            ray.kill(worker.actor)  # it may be there, and merely out of reach
        node = self._nodes.known.get(worker.node_id)
        if not worker.there and node is not None:
            node.failures += 1
            if node.failures >= MAX_FAILURES:
                lines = str(error).strip().splitlines()
                self._nodes.give_up(node, f"node {node.name}: no worker can be started: {lines[-1].strip()[:300]}")
                if self._begin.workers is None and not any(one.fitting for one in self._nodes.known.values()):
                    self._connection.send(NoUsableNode(f"node {node.name}: {lines[-1].strip()[:300]}"))


def _for_memory(error: Exception) -> bool:
    """Whether Ray ended a worker because its node's memory was full."""
    return "running low on memory" in str(error)
