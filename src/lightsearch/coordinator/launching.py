"""Which launcher runs a search's trials."""

from __future__ import annotations

from lightsearch.coordinator.on_ray import ConnectedCluster
from lightsearch.coordinator.request import CheckedSearch
from lightsearch.coordinator.sizing import SearchSize
from lightsearch.launchers import Launcher
from lightsearch.launchers.inline import InlineLauncher
from lightsearch.launchers.mirrored import MirroredLauncher
from lightsearch.launchers.packs import PackLauncher
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.storage.artifacts import Artifacts


def choose_launcher(
    search: CheckedSearch, size: SearchSize, cluster: ConnectedCluster | None, artifacts: Artifacts | None
) -> Launcher:
    """Returns the launcher that suits a search.

    Args:
        search: The search.
        size: Its workers, threads and packs.
        cluster: The Ray cluster; None: this machine.
        artifacts: Where trials' files are sent; None: they stay in the study's folder.
    """
    if cluster is not None:
        return cluster.start_workers(search, size.packing, artifacts)
    launcher = _local_launcher(search, size)
    return launcher if artifacts is None else MirroredLauncher(launcher, artifacts)


def _local_launcher(search: CheckedSearch, size: SearchSize) -> Launcher:
    workers, threads, packing = size
    if search.server is None:
        return InlineLauncher(threads)
    accelerators, devices = search.facts.accelerators, search.facts.devices
    if packing.size > 1:
        return PackLauncher(search.server, packing, workers=workers, threads=threads, accelerators=accelerators)
    return ProcessLauncher(search.server, workers=workers, threads=threads, accelerators=accelerators, devices=devices)
