"""How many trials a worker trains together, decided after a calibration. Nothing here imports torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.machine.cores import usable_cores
from lightsearch.packs.packing import ONE_BY_ONE, Calibration, Packing

AUTO = 8
"""Trials of a pack whose size is not asked for: more of them leave the sampler and the pruner less to learn from."""

LEAST = 4
"""Below this a pack that is not asked for is not worth a calibration."""

CALIBRATIONS = 8
"""Calibrations at the same time, at most."""

WORTH_IT = 1.2
"""How many times as fast a pack must be to be chosen without being asked for."""


def choose_packing(
    server: ForkServer | None,
    study_file: StudyFile,
    *,
    asked: int | None,
    workers: int,
    threads: int,
    devices: int,
    n_trials: int,
    data_dir: str | None,
    say: Callable[[str], None],
) -> Packing:
    """How trials are packed, after a calibration.

    Args:
        server: Where the calibration runs; None: everything runs in this process, one by one.
        study_file: The declared study.
        asked: The size that the user asked for; None: what pays.
        workers: Processes at a time.
        threads: CPU threads of each.
        devices: Devices that a trial takes.
        n_trials: The study's total of finished trials.
        data_dir: Folder of the data files.
        say: Tells the user what was found.
    """
    size = min(asked or AUTO, -(-n_trials // max(workers, 1)))
    # With one worker that nobody gave packs to, one trial after the other is what was asked for.
    if server is None or size < (2 if asked else LEAST) or (asked is None and workers == 1):
        return ONE_BY_ONE
    reason = _reason(study_file, devices)
    found = Calibration()
    if reason is None:
        try:
            found = _calibrated(server, study_file, data_dir, min(size, AUTO), workers, threads)
            reason = found.incompatibility
        except Exception as error:  # whatever it is, it will be said of the trials that meet with it
            reason = f"the calibration ended with {type(error).__name__}: {error}"
    if reason is not None:
        say(f"trials train one by one, not in packs: {reason}")
        return ONE_BY_ONE
    if asked is None and found.speedup < WORTH_IT:
        say(f"trials train one by one: packs are {found.speedup:.1f} times as fast here")
        return ONE_BY_ONE
    say(f"trials train in packs of {size}: proved equal to one by one, and {found.speedup:.1f} times as fast")
    return Packing(size, found.proved)


def _calibrated(
    server: ForkServer, study_file: StudyFile, data_dir: str | None, size: int, workers: int, threads: int
) -> Calibration:
    """What calibrations have found, as many at a time as there will be workers: they share caches and memory too."""
    at_once = max(1, min(workers, usable_cores() // threads, CALIBRATIONS))
    found: list[Calibration] = server.call_in_parallel(at_once, _calibrate, study_file, data_dir, size, threads)
    refused = next((one for one in found if one.incompatibility is not None), None)
    speedup = statistics.median(one.speedup for one in found)
    return refused or Calibration(speedup, proved=frozenset.intersection(*(one.proved for one in found)))


def _reason(study_file: StudyFile, devices: int) -> str | None:
    """Why no pack need be tried."""
    if study_file.objective is not None:
        return "what a function trains is not known"
    return f"each takes {devices} devices" if devices > 1 else None


def _calibrate(study_file: StudyFile, data_dir: str | None, size: int, threads: int) -> Calibration:
    """``calibrate``, imported where it runs."""
    import torch

    from lightsearch.packs.calibration import calibrate

    torch.set_num_threads(threads)
    return calibrate(study_file, data_dir, size)
