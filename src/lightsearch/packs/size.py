"""How many trials a worker trains together. Nothing here imports torch: the coordinator decides it."""

from __future__ import annotations

from collections.abc import Callable

from lightsearch.launchers.processes import ForkServer
from lightsearch.study_file import StudyFile

AUTO = 8
"""Trials of a pack whose size is not asked for: more of them leave the sampler and the pruner less to learn from."""
LEAST = 4
"""Below this a pack that is not asked for is not worth a rehearsal."""
WORTH_IT = 1.2
"""How many times as fast a pack must be to be chosen without being asked for."""


def pack_size(
    server: ForkServer | None,
    study_file: StudyFile,
    *,
    asked: int | None,
    workers: int,
    devices: int,
    n_trials: int,
    data_dir: str | None,
    say: Callable[[str], None],
) -> int:
    """The size of the packs, after a rehearsal; 1: trials train one by one.

    Args:
        server: Where the rehearsal runs; None: everything runs in this process, one by one.
        study_file: The declared study.
        asked: What the user asked for; None: what pays.
        workers: Processes at a time.
        devices: Devices that a trial takes.
        n_trials: The study's total of finished trials.
        data_dir: Folder of the data files.
        say: Tells the user what was found.
    """
    size = min(asked or AUTO, -(-n_trials // max(workers, 1)))
    # With one worker that nobody gave packs to, one trial after the other is what was asked for.
    if server is None or size < (2 if asked else LEAST) or (asked is None and workers == 1):
        return 1
    reason = _reason(study_file, devices)
    if reason is None:
        try:
            gain, reason = server.call(_rehearse, study_file, data_dir, min(size, AUTO))
        except Exception as error:  # whatever it is, it will be said of the trials that meet with it
            reason = f"the rehearsal ended with {type(error).__name__}: {error}"
    if reason is not None:
        say(f"trials train one by one, not in packs: {reason}")
        return 1
    if asked is None and gain < WORTH_IT:
        say(f"trials train one by one: in packs their steps would be {gain:.1f} times as fast")
        return 1
    say(f"trials train in packs of {size}: their steps are {gain:.1f} times as fast as one by one")
    return size


def _reason(study_file: StudyFile, devices: int) -> str | None:
    """Why no pack need be tried."""
    if study_file.objective is not None:
        return "what a function trains is not known"
    return f"each takes {devices} devices" if devices > 1 else None


def _rehearse(study_file: StudyFile, data_dir: str | None, size: int) -> tuple[float, str | None]:
    """``rehearse``, imported where it runs."""
    from lightsearch.packs.rehearsal import rehearse

    return tuple(rehearse(study_file, data_dir, size))  # type: ignore[return-value]
