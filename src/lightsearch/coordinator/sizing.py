"""How many workers a search has, with how many threads and trials each."""

from __future__ import annotations

from typing import NamedTuple

from lightsearch.coordinator.on_ray import ConnectedCluster
from lightsearch.coordinator.packing import PackingChoice
from lightsearch.coordinator.request import CheckedSearch
from lightsearch.display.display import Display
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
    search: CheckedSearch,
    queue: TrialQueue,
    cluster: ConnectedCluster | None,
    packing: PackingChoice,
    display: Display,
) -> SearchSize:
    """Chooses what the request leaves open.

    Args:
        search: The search.
        queue: The opened study. A study that is done needs no packs.
        cluster: The Ray cluster; None: this machine.
        packing: Chooses how trials are packed.
        display: Where the choice of packs is shown.
    """
    request = search.request
    if cluster is None:
        workers, threads = search.local_workers, search.local_threads
    else:
        workers, threads = request.workers or cluster.workers(request.n_trials), cluster.threads
    chosen = ONE_BY_ONE
    if not queue.is_done(request.n_trials, request.epochs):
        chosen = packing.choose(workers, threads, display.message)
    return SearchSize(workers, threads, chosen)
