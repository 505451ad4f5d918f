"""The nodes of a cluster, as the driver knows them: which there are, what is wrong with them, where their data is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.cloudpickle import register_pickle_by_value
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lightsearch.errors import Mistake, first_line
from lightsearch.launchers.ray import node_report
from lightsearch.launchers.ray.messages import NodeRequirements
from lightsearch.launchers.ray.worker import store_data

REPORT_SECONDS = 60.0
"""How long a node may take to report, the start of its first Python process included."""


@dataclass
class Node:
    """A node on which workers fit."""

    name: str
    fitting: int
    """How many workers fit on it; 0: it cannot be used."""
    report: Any = None
    """Ray's reference to its report, until that has been read."""
    data_folder: Any = None
    """Ray's reference to the folder of the data that it was sent, if it was."""
    data_dir: str | None = None
    """Folder of the data files on it."""
    usable: bool = False
    """Whether workers can be started on it."""
    failures: int = 0
    """How many workers in a row could not be started on it."""


class Nodes:
    """The nodes on which workers fit, by their ids.

    Args:
        resources: The resources of a worker, by Ray's names.
        required: What nodes must have.
        say: Shows the user a message.
    """

    def __init__(self, resources: dict[str, float], required: NodeRequirements, say: Callable[[str], None]) -> None:
        self.known: dict[str, Node] = {}
        self._resources = resources
        self._required = required
        self._say = say
        register_pickle_by_value(node_report)  # a node without lightsearch can report then, and say that it lacks it
        self._report = ray.remote(num_cpus=0, max_retries=2)(node_report.node_report)
        self._thread = ThreadPoolExecutor(1)
        self._data: Future[tuple[str, dict[str, Any]]] | None = None
        """The digest of the data, and the files in Ray's object store."""

    def refresh(self) -> None:
        """Adds the nodes that have joined the cluster, and forgets those that have left it."""
        alive = {one["NodeID"]: one for one in ray.nodes() if one["Alive"]}
        for node_id in self.known.keys() - alive.keys():
            self._say(f"node {self.known.pop(node_id).name} is gone")
        for node_id, one in alive.items():
            fitting = self._fitting(one["Resources"])
            if node_id not in self.known and fitting:
                name = f"{one['NodeManagerHostname']} {one['NodeManagerAddress']}"
                if any(known.name == name for known in self.known.values()):  # several on one machine
                    name += f":{one['NodeManagerPort']}"
                required = self._required
                report = self._report.options(scheduling_strategy=only_on(node_id))
                self.known[node_id] = Node(
                    name, fitting, report.remote(required.probe, required.data_dir, required.data)
                )

    def mistakes(self) -> list[Mistake | str]:
        """What is wrong with the known nodes, one line each; waits for their reports."""
        end, wrong = time.monotonic() + REPORT_SECONDS, list[Mistake | str]()
        for node in self.known.values():
            try:
                found = self._check(node, ray.get(node.report, timeout=max(0.0, end - time.monotonic())))
            except RayError as error:
                found = [f"node {node.name}: does not answer: {first_line(error)[:300]}"]
            node.fitting = 0 if found else node.fitting
            wrong += found
        return wrong

    def prepare(self) -> None:
        """Reads the reports that have come, and sends data to the nodes that need it."""
        for node_id, node in self.known.items():
            try:
                if node.report is not None:
                    if is_ready(node.report):
                        for wrong in self._check(node, ray.get(node.report)):
                            self.exclude(node, wrong)
                elif node.fitting and not node.usable:
                    self._send_data(node_id, node)
            except (RayError, OSError) as error:
                self.exclude(node, f"node {node.name}: {first_line(error)[:300]}")

    def exclude(self, node: Node, reason: object) -> None:
        """Starts no further workers on a node."""
        if node.fitting:
            self._say(f"{reason}; it is not used")
        node.fitting, node.usable, node.report = 0, False, None

    def _fitting(self, has: dict[str, float]) -> int:
        """How many workers fit on a node with these resources."""
        shares = []
        for name, count in self._resources.items():
            there = has.get(name, 0.0)
            if name == "GPU" and count < 1:  # a worker's fraction is of one GPU
                shares.append(int(there) * int(1 / count + 1e-9))
            else:
                shares.append(int(there / count + 1e-9))  # three times a third is one
        return min(shares)

    def _check(self, node: Node, report: dict[str, Any]) -> list[str]:
        """What is wrong with a node, one line each. A node without mistakes that sees the data can be used."""
        node.report = None
        if wrong := unmet_requirements(node.name, report, self._required):
            return wrong
        if report["has_data"]:
            node.data_dir, node.usable = self._required.data_dir, True
        return []

    def _send_data(self, node_id: str, node: Node) -> None:
        if self._data is None:  # takes long for many files
            size = sum((self._required.data or {}).values()) / 1e6
            self._say(f"sending {size:.0f} MB of data to the nodes that do not see {self._required.data_dir}")
            self._data = self._thread.submit(self._put_data)
        elif node.data_folder is None:
            if not self._data.done():
                return
            digest, files = self._data.result()
            node.data_folder = store_data.options(scheduling_strategy=only_on(node_id)).remote(digest, files)
        elif is_ready(node.data_folder):
            node.data_dir, node.usable = ray.get(node.data_folder), True

    def _put_data(self) -> tuple[str, dict[str, Any]]:
        """Puts the data files into Ray's object store, from which each node fetches them once."""
        root, digest, files = Path(str(self._required.data_dir)), hashlib.sha256(), {}
        for name in self._required.data or {}:
            content = np.fromfile(root / name, dtype=np.uint8)
            digest.update(name.encode() + b"\0" + hashlib.sha256(content.data).digest())
            files[name] = ray.put(content)
        return digest.hexdigest()[:16], files


def unmet_requirements(name: str, report: dict[str, Any], required: NodeRequirements) -> list[str]:
    """The requirements that a node does not meet, one line each.

    Args:
        name: The node's name.
        report: What ``node_report`` returned there.
        required: What a node must have.
    """
    wrong = []
    for package, here in required.versions.items():
        there = report["versions"].get(package)
        if there is None:
            wrong.append(f"node {name}: {package} is not installed; install {package} {here}, as on this machine")
        elif there != here:
            wrong.append(f"node {name}: {package} is {there} there and {here} here; install the same")
    if not report["sees_probe"]:
        folder = Path(str(required.probe)).parent
        hint = "share that folder, or name a place that all see with --artifacts"
        wrong.append(f"node {name}: does not see {folder}; {hint}")
    if required.data is None and not report["has_data"]:
        wrong.append(f"node {name}: does not see {required.data_dir}, which is too much to send; share that folder")
    if required.boot not in (None, report["boot"]):
        wrong.append(f"node {name}: is another machine, and the storage is a file of this one; use PostgreSQL")
    return wrong


def only_on(node_id: str) -> NodeAffinitySchedulingStrategy:
    """Makes Ray run something on this node or not at all."""
    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def is_ready(reference: Any) -> bool:
    """Whether Ray has the result of a call, or the call has failed."""
    return bool(ray.wait([reference], timeout=0)[0])
