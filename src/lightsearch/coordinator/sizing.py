"""How many workers a search has, with how many threads and trials each."""

from __future__ import annotations

from typing import NamedTuple

from lightsearch.coordinator.on_ray import ConnectedCluster
from lightsearch.coordinator.packing import choose_packing
from lightsearch.coordinator.request import CheckedSearch
from lightsearch.display.display import Display
from lightsearch.machine.cores import threads_for, workers_that_fit
from lightsearch.packs.packing import ONE_BY_ONE, Packing
from lightsearch.study.trial_queue import TrialQueue


class SearchSize(NamedTuple):
    """How many trials run at a time, and how."""

    workers: int
    """Worker processes at a time; 0: trials run in this process."""
    threads: int
    """CPU threads per process."""
    packing: Packing
    """How trials are packed."""


def choose_size(
    search: CheckedSearch, queue: TrialQueue, cluster: ConnectedCluster | None, display: Display
) -> SearchSize:
    """Chooses what the request leaves open.

    Args:
        search: The search.
        queue: The opened study. A study that is done needs no packs.
        cluster: The Ray cluster; None: this machine.
        display: Where the choice of packs is shown.
    """
    request, devices = search.request, search.facts.devices
    workers = request.workers
    if workers is None and cluster is None:
        workers = workers_that_fit(request.n_trials, search.facts.accelerators, devices, request.threads)
    elif workers is None and cluster is not None:
        workers = cluster.workers(request.n_trials)
    assert workers is not None
    threads = threads_for(max(workers, 1), devices, request.threads) if cluster is None else cluster.threads
    packing = ONE_BY_ONE
    if not queue.is_done(request.n_trials, request.epochs):
        packing = choose_packing(search, workers, threads, display.message)
    return SearchSize(workers, threads, packing)
