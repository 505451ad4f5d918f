"""What the coordinator, the driver and the workers send to each other, besides ``Job`` and ``Ended``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lightsearch.errors import Mistake
from lightsearch.packs.packing import Packing


class NodeRequirements(NamedTuple):
    """Coordinator to driver: what a node must have."""

    versions: dict[str, str]
    """Versions of Python and packages, as on this machine."""
    probe: str | None
    """A file that the node must see, because trials' files go beside it; None: they go to an object store."""
    boot: str | None
    """The machine that it must be, because the storage is a file there; None: any machine."""
    data_dir: str | None
    """Folder of the data files; a node that does not see it is sent them."""
    data: dict[str, int] | None
    """The files in it, and their sizes in bytes; None: they are too large to send."""


class ClusterReport(NamedTuple):
    """Driver to coordinator: what the driver has found on the nodes."""

    mistakes: list[Mistake | str]
    """What is wrong with nodes, one line each."""
    fitting: int
    """How many workers fit on the nodes."""


class WorkerSetup(NamedTuple):
    """Driver to worker: what all trials of a search need."""

    path: list[str]
    """The folders in which the coordinator finds modules (``sys.path``)."""
    folder: str
    """The folder in which the search was started; workers run in it, if they see it."""
    modules: list[str]
    """The modules of the user's classes."""
    packing: Packing
    """How trials are packed."""
    devices: int
    """Processes, or GPUs, of a trial."""
    artifacts: str | None
    """URL of the object store for trials' files; None: they go to the trials' folders, which are shared."""
    shared: bool
    """Whether nodes see this machine's folders."""


class StartWorkers(NamedTuple):
    """Coordinator to driver: jobs follow."""

    setup: WorkerSetup
    """What the workers need."""
    workers: int | None
    """How many workers the user asked for; None: as many as fit."""
    at_most: int
    """The limit; further workers would have nothing to do."""


class StopJob(NamedTuple):
    """Coordinator to driver: a job is to end."""

    number: int
    """The job's number."""
    kill: bool
    """Whether it is killed, or asked to end at its next chance."""


class NoUsableNode(NamedTuple):
    """Driver to coordinator: no node can be used."""

    reason: str
    """Why not."""


@dataclass(frozen=True)
class WorkerCounts:
    """Driver to coordinator: the workers that are running."""

    slots: int = 0
    """How many trials they can run at a time."""
    nodes: dict[str, int] = field(default_factory=dict)
    """How many workers each node has, by its name."""

    def __str__(self) -> str:
        if not self.nodes:
            return "waiting for workers"
        named = ", ".join(f"{name} ({workers})" for name, workers in self.nodes.items())
        return f"{sum(self.nodes.values())} workers on {len(self.nodes)} nodes: {named}"
