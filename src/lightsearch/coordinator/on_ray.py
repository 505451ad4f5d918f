"""What is particular to a search on a Ray cluster: its options, its connection, its workers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightsearch.coordinator.request import CheckedSearch, SearchRequest
from lightsearch.declare.reading import modules_of
from lightsearch.display.display import Display
from lightsearch.errors import Mistake, UserError
from lightsearch.launchers.ray import RayCluster
from lightsearch.launchers.ray.check import check_cluster
from lightsearch.launchers.ray.launcher import RayLauncher
from lightsearch.launchers.ray.messages import StartWorkers, WorkerSetup
from lightsearch.packs.packing import Packing
from lightsearch.paths import study_folder
from lightsearch.storage.artifacts import Artifacts, local_folder
from lightsearch.storage.opening import open_storage
from lightsearch.storage.study_artifacts import artifacts_url
from lightsearch.storage.urls import sqlite_file


@dataclass(frozen=True)
class ConnectedCluster:
    """A cluster that is connected, and has room for a trial."""

    launcher: RayLauncher
    cluster: RayCluster
    shared: bool
    """Whether the nodes see this machine's folders."""

    def workers(self, at_most: int) -> int:
        """Returns how many workers fit on the cluster's nodes, with an upper bound."""
        return min(self.launcher.found.fitting, at_most)

    @property
    def threads(self) -> int:
        """CPU threads of a worker."""
        return max(1, int(self.cluster.cpus_per_trial))

    def start_workers(self, search: CheckedSearch, packing: Packing, artifacts: Artifacts | None) -> RayLauncher:
        """Starts workers on the nodes.

        Args:
            search: The search.
            packing: How trials are packed.
            artifacts: Where trials' files are sent; None: the nodes share the study's folder.

        Returns:
            The launcher of the workers.
        """
        request = search.request
        setup = WorkerSetup(
            path=sys.path,
            folder=str(Path.cwd()),
            modules=modules_of(request.declared),
            packing=packing,
            devices=search.facts.devices,
            artifacts=artifacts.url if artifacts is not None else None,
            shared=self.shared,
        )
        at_most = request.workers or -(-request.n_trials // packing.size)
        self.launcher.begin(StartWorkers(setup, request.workers, at_most), artifacts)
        return self.launcher


def check_options(request: SearchRequest, cluster: RayCluster) -> list[Mistake]:
    """Returns what is wrong with the options of a search on a cluster. Takes a few seconds at most."""
    mistakes = check_cluster(cluster)
    if request.workers == 0:
        hint = "runs trials in this process, not on the cluster; remove --on, or set --workers to 1 or more"
        mistakes.append(Mistake("--workers", 0, hint))
    if request.threads is not None:
        hint = "a trial on Ray has one thread per CPU; write --cpus-per-trial"
        mistakes.append(Mistake("--threads", request.threads, hint))
    return mistakes


@contextlib.contextmanager
def connected(search: CheckedSearch, display: Display) -> Iterator[ConnectedCluster | None]:
    """Connects to the search's Ray cluster, and disconnects at the end; None: the search is on this machine.

    Raises:
        UserError: if the cluster cannot be used, or a trial fits on none of its nodes.
    """
    request, cluster = search.request, search.request.cluster
    if cluster is None or search.server is None:
        yield None
        return
    display.message("connecting to the Ray cluster ...")
    name = search.study_file.name
    artifacts = request.artifacts or _settled_artifacts(request.url, name)
    launcher = RayLauncher(
        search.server,
        cluster,
        folder=study_folder(name) if artifacts is None else local_folder(artifacts),
        shared=artifacts is None,
        on_this_machine=sqlite_file(request.url) is not None,
        data_dir=request.data_dir,
        display=display,
    )
    with contextlib.closing(launcher):
        found = launcher.found
        mistakes = found.mistakes or _no_room(cluster, found.fitting, request.workers, search.facts.devices)
        if mistakes:
            raise UserError(*mistakes)
        yield ConnectedCluster(launcher, cluster, shared=artifacts is None)


def _settled_artifacts(url: str, name: str) -> str | None:
    """Returns where an existing study's artifacts are; None if the study does not exist. Creates nothing."""
    file = sqlite_file(url)
    return None if file is not None and not file.exists() else artifacts_url(open_storage(url), name)


def _no_room(cluster: RayCluster, fitting: int, workers: int | None, devices: int) -> list[Mistake]:
    """Returns that a trial fits on no node. With a number of workers the cluster may be waiting for larger nodes."""
    given = cluster.gpus_per_trial or cluster.cpus_per_trial
    if given < devices > 1:
        option = "--gpus-per-trial" if cluster.gpus_per_trial else "--cpus-per-trial"
        return [Mistake(option, given, f"a trial trains on {devices} devices; write {devices}")]
    if fitting or workers is not None:
        return []
    needed = " and ".join(f"{count:g} {name}" for name, count in cluster.resources.items())
    hint = (
        f"the cluster has no node with {needed}, which a trial needs; "
        "request fewer resources, or set --workers N to wait for larger nodes"
    )
    return [Mistake("--on", "ray", hint)]
