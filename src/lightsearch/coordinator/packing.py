"""How many trials a worker trains together, decided by a calibration. Nothing here imports torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from lightsearch.coordinator.request import CheckedSearch
from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.machine.cores import usable_cores
from lightsearch.packs.packing import ONE_BY_ONE, Calibration, Packing

DEFAULT_SIZE = 8
"""Trials per pack unless the user asks for a size. In larger packs the sampler and the pruner have less to learn from.
"""

MIN_DEFAULT_SIZE = 4
"""A smaller pack is not worth a calibration unless the user asks for it."""

MAX_CALIBRATIONS = 8
"""Calibrations at the same time, at most."""

MIN_SPEEDUP = 1.2
"""Packs are chosen by default if they are at least this many times as fast."""


def choose_packing(search: CheckedSearch, workers: int, threads: int, say: Callable[[str], None]) -> Packing:
    """Chooses how trials are packed, by a calibration.

    Args:
        search: The search; ``search.request.pack`` is the size that the user asks for.
        workers: Worker processes at a time.
        threads: CPU threads per process.
        say: Tells the user what was chosen, and why.
    """
    asked, server = search.request.pack, search.server
    size = min(asked or DEFAULT_SIZE, -(-search.request.n_trials // max(workers, 1)))
    # One worker without --pack means one trial after the other.
    if server is None or size < (2 if asked else MIN_DEFAULT_SIZE) or (asked is None and workers == 1):
        return ONE_BY_ONE
    reason = _incompatibility(search)
    found = Calibration()
    if reason is None:
        try:
            found = _calibrate_at_once(server, search, min(size, DEFAULT_SIZE), workers, threads)
            reason = found.incompatibility
        except Exception as error:  # an error of the model or the data will be raised again in the trials
            reason = f"the calibration ended with {type(error).__name__}: {error}"
    if reason is not None:
        say(f"trials train one by one, not in packs: {reason}")
        return ONE_BY_ONE
    if asked is None and found.speedup < MIN_SPEEDUP:
        say(f"trials train one by one: packs are {found.speedup:.1f} times as fast here")
        return ONE_BY_ONE
    say(f"trials train in packs of {size}: proved equal to one by one, and {found.speedup:.1f} times as fast")
    return Packing(size, found.proved)


def _incompatibility(search: CheckedSearch) -> str | None:
    """Returns why a search cannot have packs, as far as that is known without a calibration."""
    if search.study_file.objective is not None:
        return "the study runs a function, and its model is unknown"
    if search.study_file.config is not None:
        return "LightningCLI builds them, and trials of a pack share their data"
    if search.study_file.data is None:
        return "the model has loaders of its own, and trials of a pack share theirs"
    devices = search.facts.devices
    return f"each trial uses {devices} devices" if devices > 1 else None


def _calibrate_at_once(server: ForkServer, search: CheckedSearch, size: int, workers: int, threads: int) -> Calibration:
    """Runs as many calibrations at a time as there will be workers, because those share caches and memory too."""
    at_once = max(1, min(workers, usable_cores() // threads, MAX_CALIBRATIONS))
    found: list[Calibration] = server.call_in_parallel(
        at_once, _calibrate, search.study_file, search.request.data_dir, size, threads
    )
    refused = next((one for one in found if one.incompatibility is not None), None)
    speedup = statistics.median(one.speedup for one in found)
    return refused or Calibration(speedup, proved=frozenset.intersection(*(one.proved for one in found)))


def _calibrate(study_file: StudyFile, data_dir: str | None, size: int, threads: int) -> Calibration:
    """Calls ``calibrate``, imported where it runs."""
    import torch

    from lightsearch.packs.calibration import calibrate

    torch.set_num_threads(threads)
    return calibrate(study_file, data_dir, size)
