"""The nodes of a cluster, as the driver knows them: which there are, what is wrong with them, where they have data."""

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

from lightsearch.errors import Mistake
from lightsearch.launchers.ray import NodeRequirements, look
from lightsearch.launchers.ray.worker import place_data

LOOK_SECONDS = 60.0
"""How long a node may take to answer, its first Python process included."""


@dataclass
class Node:
    """A node that workers fit on."""

    name: str
    fitting: int
    """Workers that fit on it; 0: it cannot be used."""
    looking: Any = None
    """Ray's reference to what it is like, until that is known."""
    placing: Any = None
    """Ray's reference to where it has the data, until that is known."""
    data_dir: str | None = None
    """Folder of the data files on it."""
    usable: bool = False
    """Workers can be started there."""
    failures: int = 0
    """Workers in a row that could not be started there."""


class Nodes:
    """The nodes that workers fit on, by their ids.

    Args:
        resources: What a worker takes, by Ray's names of resources.
        expected: What nodes must be like.
        say: Tells the user something.
    """

    def __init__(self, resources: dict[str, float], expected: NodeRequirements, say: Callable[[str], None]) -> None:
        self.known: dict[str, Node] = {}
        self._resources = resources
        self._expected = expected
        self._say = say
        register_pickle_by_value(look)  # nodes may lack lightsearch, and are to say so
        self._look = ray.remote(num_cpus=0, max_retries=2)(look.look)
        self._thread = ThreadPoolExecutor(1)
        self._parts: Future[tuple[str, dict[str, Any]]] | None = None
        """The data's digest, and the files in Ray's object store."""

    def find(self) -> None:
        """Notes the nodes that have come, and forgets those that have gone."""
        alive = {one["NodeID"]: one for one in ray.nodes() if one["Alive"]}
        for node_id in self.known.keys() - alive.keys():
            self._say(f"node {self.known.pop(node_id).name} is gone")
        for node_id, one in alive.items():
            fitting = self._fitting(one["Resources"])
            if node_id not in self.known and fitting:
                name = f"{one['NodeManagerHostname']} {one['NodeManagerAddress']}"
                if any(known.name == name for known in self.known.values()):  # several on one machine
                    name += f":{one['NodeManagerPort']}"
                expected = self._expected
                looking = self._look.options(scheduling_strategy=only_on(node_id))
                self.known[node_id] = Node(
                    name, fitting, looking.remote(expected.probe, expected.data_dir, expected.data)
                )

    def mistakes(self) -> list[Mistake | str]:
        """What is wrong with those that are there, a line each; waits until they have been looked at."""
        end, wrong = time.monotonic() + LOOK_SECONDS, list[Mistake | str]()
        for node in self.known.values():
            try:
                found = self._take(node, ray.get(node.looking, timeout=max(0.0, end - time.monotonic())))
            except RayError as error:
                found = [f"node {node.name}: does not answer: {first_line(error)}"]
            node.fitting = 0 if found else node.fitting
            wrong += found
        return wrong

    def tend(self) -> None:
        """Hears what new ones have to say of themselves, and has the data sent to those that want it."""
        for node_id, node in self.known.items():
            try:
                if node.looking is not None:
                    if is_there(node.looking):
                        for wrong in self._take(node, ray.get(node.looking)):
                            self.give_up(node, wrong)
                elif node.fitting and not node.usable:
                    self._place_data(node_id, node)
            except (RayError, OSError) as error:
                self.give_up(node, f"node {node.name}: {first_line(error)}")

    def give_up(self, node: Node, why: object) -> None:
        """Uses a node no more."""
        if node.fitting:
            self._say(f"{why}; it is not used")
        node.fitting, node.usable, node.looking = 0, False, None

    def _fitting(self, has: dict[str, float]) -> int:
        """Workers that fit on a node."""
        shares = []
        for name, count in self._resources.items():
            there = has.get(name, 0.0)
            if name == "GPU" and count < 1:  # no worker has parts of two
                shares.append(int(there) * int(1 / count + 1e-9))
            else:
                shares.append(int(there / count + 1e-9))  # three times a third is one
        return min(shares)

    def _take(self, node: Node, seen: dict[str, Any]) -> list[str]:
        """Uses a node, if it is as it must be; what is wrong with it, if not."""
        node.looking = None
        if wrong := differs(node.name, seen, self._expected):
            return wrong
        if seen["has_data"]:
            node.data_dir, node.usable = self._expected.data_dir, True
        return []

    def _place_data(self, node_id: str, node: Node) -> None:
        if self._parts is None:  # takes long if they are many
            size = sum((self._expected.data or {}).values()) / 1e6
            self._say(f"sending {size:.0f} MB of data to the nodes that do not see {self._expected.data_dir}")
            self._parts = self._thread.submit(self._put_data)
        elif node.placing is None:
            if not self._parts.done():
                return
            digest, parts = self._parts.result()
            node.placing = place_data.options(scheduling_strategy=only_on(node_id)).remote(digest, parts)
        elif is_there(node.placing):
            node.data_dir, node.usable = ray.get(node.placing), True

    def _put_data(self) -> tuple[str, dict[str, Any]]:
        """Puts the data files into Ray's object store, from which each node takes them once."""
        root, digest, parts = Path(str(self._expected.data_dir)), hashlib.sha256(), {}
        for name in self._expected.data or {}:
            content = np.fromfile(root / name, dtype=np.uint8)
            digest.update(name.encode() + b"\0" + hashlib.sha256(content.data).digest())
            parts[name] = ray.put(content)
        return digest.hexdigest()[:16], parts


def differs(name: str, seen: dict[str, Any], expected: NodeRequirements) -> list[str]:
    """In what a node is not as it must be, a line each.

    Args:
        name: The node's.
        seen: What ``look`` found there.
        expected: What it must be like.
    """
    wrong = []
    for package, here in expected.versions.items():
        there = seen["versions"].get(package)
        if there is None:
            wrong.append(f"node {name}: {package} is not installed; install {package} {here}, as on this machine")
        elif there != here:
            wrong.append(f"node {name}: {package} is {there} there and {here} here; install the same")
    if not seen["sees_probe"]:
        folder = Path(str(expected.probe)).parent
        hint = "share that folder, or name a place that all see with --artifacts"
        wrong.append(f"node {name}: does not see {folder}; {hint}")
    if expected.data is None and not seen["has_data"]:
        wrong.append(f"node {name}: does not see {expected.data_dir}, which is too much to send; share that folder")
    if expected.boot not in (None, seen["boot"]):
        wrong.append(f"node {name}: is another machine, and the storage is a file of this one; use PostgreSQL")
    return wrong


def only_on(node_id: str) -> NodeAffinitySchedulingStrategy:
    """Has Ray run something on this node or nowhere."""
    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def is_there(reference: Any) -> bool:
    """Whether what Ray was asked for is there, or has failed."""
    return bool(ray.wait([reference], timeout=0)[0])


def first_line(error: BaseException) -> str:
    """An error of Ray's, which are long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
