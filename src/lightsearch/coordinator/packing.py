"""How many trials a worker trains together, decided by a proof and a timing. Nothing here imports torch."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from lightsearch.coordinator.request import CheckedSearch
from lightsearch.declare.scheduling import scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.calls import Calls
from lightsearch.machine.cores import usable_cores
from lightsearch.packs.packing import ONE_BY_ONE, Packing, Proof, Timing, worthwhile_speedup

DEFAULT_SIZE = 8
"""Trials per pack unless the user asks for a size. In larger packs the sampler and the pruner have less to learn from.
"""

LEARNING_SIZE = 4
"""The same where a scheduler learns from every epoch, on a CPU: a member makes the epochs of the others longer."""

MIN_DEFAULT_SIZE = 4
"""A smaller pack is not worth a calibration unless the user asks for it."""

MAX_TIMINGS = 8
"""Timings at the same time, at most."""


class PackingChoice:
    """Chooses how trials are packed: a proof, which may begin while other checks still run, and then a timing.

    The proof is the same in every process, and is made once. The timing decides whether packs are worth it, unless the
    user has decided that with a size. It is made by as many processes at a time as there will be workers, because those
    share caches and memory too.

    Args:
        search: The search; ``search.request.pack`` is the size that the user asks for.
    """

    def __init__(self, search: CheckedSearch) -> None:
        self._search = search
        self._learns = scheduler_of(search.study_file).name == "freeze_thaw"
        self._proof: Calls | None = None
        self._folder = contextlib.ExitStack()

    def begin(self) -> None:
        """Begins the proof beside other checks, if packs are in question and workers will run side by side as well.

        Trials on one accelerator, or of one worker, need not fit beside anything else.
        """
        search, workers = self._search, self._search.local_workers
        alone = search.request.cluster is not None or search.facts.accelerators or workers < 2
        if not alone and (size := self._size(workers)) > 1 and _incompatibility(search) is None:
            self._begin(size, search.local_threads)

    def choose(self, workers: int, threads: int, say: Callable[[str], None]) -> Packing:
        """Chooses, and tells the user what was chosen, and why.

        Args:
            workers: Worker processes at a time.
            threads: CPU threads per process.
            say: Tells the user.
        """
        chosen = self._choose(workers, threads)
        if chosen.reason is not None:
            say(chosen.reason)
        return chosen

    def _choose(self, workers: int, threads: int) -> Packing:
        """Waits for the proof, and makes the timing if it decides anything."""
        size, asked, timing = self._size(workers), self._search.request.pack is not None, Timing()
        if size == 1:
            return ONE_BY_ONE
        limit = worthwhile_speedup(workers, size, learns=self._learns)
        if (reason := _incompatibility(self._search)) is None:
            try:
                proof = self._proved(size, threads)
                reason = proof.incompatibility
                if reason is None and not asked:
                    timing = self._timed(size, proof, limit, workers, threads)
                    reason = timing.failure
            except Exception as error:  # an error of the model or the data will be raised again in the trials
                reason = f"the calibration ended with {type(error).__name__}: {error}"
        if reason is not None:
            return ONE_BY_ONE._replace(reason=f"trials train one by one, not in packs: {reason}")
        if not asked and timing.speedup < limit:
            faster = f"packs of {size} are {timing.speedup:.1f} times as fast here, and pay from {limit:.1f} on"
            return ONE_BY_ONE._replace(reason=f"trials train one by one: {faster}")
        why = "proved equal to one by one" + ("" if asked else f", and {timing.speedup:.1f} times as fast")
        return Packing(size, proof.proved, f"trials train in packs of {size}: {why}")

    def close(self) -> None:
        """Ends a proof that nobody waits for, and removes its files."""
        if self._proof is not None:
            self._proof.end()
            self._proof = None
        self._folder.close()

    def _size(self, workers: int) -> int:
        """Trials per pack that are in question; 1: no packs."""
        asked, server = self._search.request.pack, self._search.server
        preferred = LEARNING_SIZE if self._learns and not self._search.facts.accelerators else DEFAULT_SIZE
        size = min(asked or preferred, -(-self._search.request.n_trials // max(workers, 1)))
        # One worker without --pack means one trial after the other.
        if server is None or size < (2 if asked else MIN_DEFAULT_SIZE) or (asked is None and workers == 1):
            return 1
        return size

    def _begin(self, size: int, threads: int) -> Calls:
        server, request = self._search.server, self._search.request
        assert server is not None
        made = tempfile.TemporaryDirectory(prefix="lightsearch-", ignore_cleanup_errors=True)
        folder = Path(self._folder.enter_context(made))
        count = min(size, DEFAULT_SIZE)
        self._proof = server.begin(1, _prove, threads, self._search.study_file, request.data_dir, count, folder)
        return self._proof

    def _proved(self, size: int, threads: int) -> Proof:
        with contextlib.closing(self):
            proof: Proof
            (proof,) = (self._proof or self._begin(size, threads)).results()
            self._proof = None
        return proof

    def _timed(self, size: int, proof: Proof, limit: float, workers: int, threads: int) -> Timing:
        server, request = self._search.server, self._search.request
        assert server is not None
        at_once = max(1, min(workers, usable_cores() // threads, MAX_TIMINGS))
        with tempfile.TemporaryDirectory(prefix="lightsearch-", ignore_cleanup_errors=True) as folder:
            arguments = (self._search.study_file, request.data_dir, min(size, DEFAULT_SIZE), proof, limit, Path(folder))
            found: list[Timing] = server.call_in_parallel(at_once, _time, threads, *arguments)
        failed = next((one for one in found if one.failure is not None), None)
        return failed or Timing(statistics.median(one.speedup for one in found))


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


def _prove(threads: int, study_file: StudyFile, data_dir: str | None, size: int, folder: Path) -> Proof:
    """Calls ``prove``, imported where it runs."""
    import torch

    from lightsearch.packs.calibration import prove

    torch.set_num_threads(threads)
    return prove(study_file, data_dir, size, folder)


def _time(
    threads: int, study_file: StudyFile, data_dir: str | None, size: int, proof: Proof, limit: float, folder: Path
) -> Timing:
    """Calls ``time_packs``, imported where it runs."""
    import torch

    from lightsearch.packs.timing import time_packs

    torch.set_num_threads(threads)
    return time_packs(study_file, data_dir, size, proof, limit, folder)
