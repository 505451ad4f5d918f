"""The timing before a search: how many times as fast are trials in packs as one after the other?

It is measured on the study's model and data, with Lightning's own hooks: a few steps of a few epochs, with their
validations and checkpoints.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from lightsearch.declare.study_file import StudyFile
from lightsearch.packs.calibration import calibrating, configurations
from lightsearch.packs.calibration_trial import CalibrationTrial
from lightsearch.packs.host import Host
from lightsearch.packs.member import Member
from lightsearch.packs.packing import Proof, Timing

STEPS = 8
"""Steps of each timed epoch."""
ROUNDS = 3
"""Timed epochs at most, in a pack and alone in alternation. The first one warms up, and counts only if it is clear."""
CLEAR = 1.25
"""No further round begins after one whose result is this many times the speedup that decides, or that fraction. Nearer
to it, either choice is as good."""
PROCESS_SECONDS = 0.06
"""Seconds that a separate process adds to a trial (``python -m tests.benchmarks.overhead``)."""
TRAINED_SHARE = 0.35
"""The share of ``max_epochs`` that a trial trains on average: early stopping and pruning save the rest."""
TIMED_SECONDS = 1.5
"""After this time no further round begins."""


def time_packs(
    study_file: StudyFile, data_dir: str | None, size: int, proof: Proof, limit: float, folder: Path | None = None
) -> Timing:
    """Times a few configurations of the study, in a pack and alone. Nothing is kept.

    Args:
        study_file: The declared study.
        data_dir: Folder of the data files.
        size: Members of the pack.
        proof: What has been proved: trials of other structures train alone in packs, too.
        limit: The speedup from which packs pay.
        folder: Where temporary files are written; None: in the system's folder for them.
    """
    with calibrating(folder) as own, _hosted(study_file, data_dir, size, own / "packed", proof.proved) as packed:
        packed.ended += packed.round()
        with _hosted(study_file, data_dir, size, own / "alone", frozenset()) as alone:
            alone.data = packed.data
            alone.round()
            start = proof.start_seconds + PROCESS_SECONDS
            epochs = max(study_file.trainer.max_epochs * TRAINED_SHARE, 1.0)
            speedups = list(until_clear(_speedups(packed, alone, start, epochs), limit))
            warm = speedups[1:] or speedups
        if (failed := next((member.error for member in packed.ended), None)) is not None:
            return Timing(failure=f"a pack failed: {failed}")
        return Timing(statistics.median(warm))


@contextlib.contextmanager
def _hosted(
    study_file: StudyFile, data_dir: str | None, size: int, folder: Path, proved: frozenset[str]
) -> Iterator[_TimedHost]:
    """Yields a host of trials whose epochs have a few steps."""
    host = _TimedHost(proved)
    for number, params in enumerate(configurations(study_file, size)):
        own = folder / str(number)
        trial = CalibrationTrial(study_file, params, data_dir, own, seed=number, epochs=ROUNDS + 1, steps=STEPS)
        host.trials.append(trial)
        host.add(number, trial.fit)
    try:
        yield host
    finally:
        host.end()


def until_clear(speedups: Iterator[float], limit: float) -> Iterator[float]:
    """The speedups up to the first one that leaves no doubt whether packs are worth it.

    Args:
        speedups: One per round; a round that is not asked for is not trained.
        limit: The speedup from which packs pay.
    """
    for speedup in speedups:
        yield speedup
        if not limit / CLEAR < speedup < limit * CLEAR:
            return


def _speedups(packed: _TimedHost, alone: _TimedHost, start_seconds: float, epochs: float) -> Iterator[float]:
    """Yields, per round, how many times as fast the trials are in packs.

    Args:
        packed: Trials in packs; the first trial that uses a data set loads it; the others reuse it.
        alone: The same trials, each alone.
        start_seconds: Seconds that a trial alone takes until its first epoch.
        epochs: Epochs of a trial.
    """
    size, start_packed = len(packed.trials), statistics.median(trial.start_seconds for trial in packed.trials)
    began = time.perf_counter()
    for number in range(ROUNDS):
        if number == 0 or time.perf_counter() - began < TIMED_SECONDS:
            one_by_one = size * start_seconds + epochs * alone.epoch_seconds()
            yield one_by_one / (size * start_packed + epochs * packed.epoch_seconds())


class _TimedHost(Host):
    """A host that measures its epochs."""

    def __init__(self, proved: frozenset[str]) -> None:
        super().__init__(proved)
        self.trials: list[CalibrationTrial] = []
        """The trials of its members."""
        self.ended: list[Member] = []
        """Members that ended before the last timed epoch."""
        self._seconds_to_add = 0.0
        """Seconds that the rest of the epoch would take the packs."""

    def epoch_seconds(self) -> float:
        """Trains every member for an epoch; returns the seconds that whole epochs and validations would take."""
        watches = [trial.stopwatch for trial in self.trials]
        before = [(watch.train, watch.val) for watch in watches]
        self._seconds_to_add = 0.0
        began = time.perf_counter()
        self.ended += self.round()
        seconds = time.perf_counter() - began + self._seconds_to_add
        for watch, (train, val) in zip(watches, before, strict=True):
            seconds += (watch.train - train) * (watch.steps_ratio - 1) + (watch.val - val) * (watch.val_ratio - 1)
        return seconds

    def _train(self, pack: list[Member]) -> None:
        began = time.perf_counter()
        super()._train(pack)
        ratio = self.trials[pack[0].number].stopwatch.steps_ratio
        self._seconds_to_add += (time.perf_counter() - began) * (ratio - 1)
