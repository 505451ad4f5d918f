"""Trials on a Ray cluster.

``launcher.py`` is the coordinator's side. It starts ``driver.py``, the process that talks to Ray: it knows the nodes
(``nodes.py``; ``look.py`` is run on each to see what it is like) and has a ``worker.py`` wherever one fits.
Only the driver's process and the nodes import Ray.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lightsearch.errors import Mistake
from lightsearch.packs.size import Packing


@dataclass(frozen=True)
class RayCluster:
    """A cluster, and what a trial takes of it."""

    address: str = "auto"
    """``auto`` (RAY_ADDRESS, or the cluster that this machine belongs to), ``HOST:PORT``, or ``ray://HOST:PORT``."""
    cpus_per_trial: float = 1.0
    """CPUs of a trial, or of a whole pack."""
    gpus_per_trial: float = 0.0
    """GPUs of a trial, or of a whole pack; a part of one is shared with others."""

    @property
    def resources(self) -> dict[str, float]:
        """What a trial takes, by Ray's names."""
        wanted = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial}
        return {name: count for name, count in wanted.items() if count}

    @property
    def mistakes(self) -> list[Mistake]:
        """What is wrong with it."""
        fields = {"--cpus-per-trial": self.cpus_per_trial, "--gpus-per-trial": self.gpus_per_trial}
        mistakes = [Mistake(name, value, "write a number from 0") for name, value in fields.items() if value < 0]
        if not self.resources:
            mistakes.append(Mistake("--cpus-per-trial", 0, "a trial takes something; write 1, or --gpus-per-trial"))
        for name, value in fields.items():  # as Ray has it
            if value > 1 and value != int(value):
                mistakes.append(Mistake(name, value, "above 1, Ray takes whole numbers"))
        return mistakes


class NodeRequirements(NamedTuple):
    """What a node must be like."""

    versions: dict[str, str]
    """Of Python and packages; as here."""
    probe: str | None
    """A file that it must see, since trials' files are to be beside it; None: they are sent to an object store."""
    boot: str | None
    """The machine that it must be, since the storage is a file of it; None: any."""
    data_dir: str | None
    """Folder of the data files; a node that does not see it is sent them."""
    data: dict[str, int] | None
    """The files in it, and their sizes in bytes; None: they are too much to send."""


class Setup(NamedTuple):
    """What a worker must know."""

    path: list[str]
    """Where this machine finds modules."""
    folder: str
    """The folder that the search was started in; workers work there, if they see it."""
    modules: list[str]
    """The modules of the user's classes."""
    packing: Packing
    """How many trials it trains together, and which."""
    devices: int
    """Processes, or GPUs, of a trial."""
    artifacts: str | None
    """Where trials' files go; None: into their folders, which are shared."""
    shared: bool
    """Whether nodes see this machine's folders."""


class NodeReport(NamedTuple):
    """The driver to the coordinator: what it found on the nodes."""

    mistakes: list[Mistake | str]
    fitting: int
    """Workers that fit."""


class Begin(NamedTuple):
    """The coordinator to the driver: trials are to come."""

    setup: Setup
    workers: int | None
    """How many there are to be; None: as many as fit."""
    at_most: int
    """More would have nothing to do."""


class Stop(NamedTuple):
    """The coordinator to the driver: a job is to end."""

    number: int
    kill: bool


class NoUsableNode(NamedTuple):
    """The driver to the coordinator: no node is of any use."""

    why: str


@dataclass(frozen=True)
class Workers:
    """The driver to the coordinator: the workers that there are."""

    slots: int = 0
    """Trials that they can run."""
    nodes: dict[str, int] = field(default_factory=dict)
    """Workers on each node, by its name."""

    def __str__(self) -> str:
        if not self.nodes:
            return "waiting for workers"
        named = ", ".join(f"{name} ({workers})" for name, workers in self.nodes.items())
        return f"{sum(self.nodes.values())} workers on {len(self.nodes)} nodes: {named}"
