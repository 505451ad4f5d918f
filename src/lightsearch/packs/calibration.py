"""The calibration before a search: do its trials train in packs as they do alone, and are packs faster?

Both are measured on the study's model and data, with Lightning's own hooks: a few steps of a few epochs, with their
validations and checkpoints.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna

from lightsearch.compat.trainer import training_loaders
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Diverged
from lightsearch.packs import engines
from lightsearch.packs.calibration_trial import CalibrationTrial
from lightsearch.packs.host import Host
from lightsearch.packs.member import Member
from lightsearch.packs.packing import Calibration
from lightsearch.packs.proof import Comparison, compare
from lightsearch.training.quiet import quiet

STRUCTURES = 4
"""Structures of trials that are proved, the most frequent first; trials of other structures train one by one."""
EXAMPLES = 3
"""Configurations of a structure that are tried until one allows a comparison."""
STEPS = 8
"""Steps of each timed epoch."""
ROUNDS = 3
"""Timed epochs, in a pack and alone in alternation, after one warm-up epoch."""
PROCESS_SECONDS = 0.06
"""Seconds that a separate process adds to a trial (``python -m tests.benchmarks.overhead``)."""
TRAINED_SHARE = 0.35
"""The share of ``max_epochs`` that a trial trains on average: early stopping and pruning save the rest."""
TIMED_SECONDS = 3.0
"""After this time no further round begins."""


def calibrate(study_file: StudyFile, data_dir: str | None, size: int) -> Calibration:
    """Trains a few configurations of the study for a few steps, in a pack and alone. Nothing is kept.

    Args:
        study_file: The declared study.
        data_dir: Folder of the data files.
        size: Members of the pack.
    """
    if study_file.trainer.keywords.get("val_check_interval") not in (None, 1.0):
        return Calibration(incompatibility="validation comes within an epoch (val_check_interval)")
    quiet()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=study_file.seed))
    sampled = [study_file.space.suggest(sampler.ask()) for _ in range(size)]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(action="ignore"),  # vmap warns of operations that are slow only in it
        tempfile.TemporaryDirectory() as name,
        _hosted(study_file, sampled, data_dir, Path(name) / "packed") as packed,
    ):
        if (reason := _attach(packed) or _unbounded(packed, study_file)) is not None:
            return Calibration(incompatibility=reason)
        compared = _compare(packed, study_file, sampled, data_dir, Path(name) / "proof")
        packed.proved = frozenset(structure for structure, found in compared.items() if found.difference is None)
        if not packed.proved:
            return Calibration(incompatibility=next(found.difference for found in compared.values()))
        packed.refuse_unproved()
        with _hosted(study_file, sampled, data_dir, Path(name) / "alone") as alone:
            alone.data = packed.data
            alone.proved = frozenset()
            packed.train()
            alone.advance()
            start = max(found.start_seconds for found in compared.values()) + PROCESS_SECONDS
            epochs = max(study_file.trainer.max_epochs * TRAINED_SHARE, 1.0)
            speedups = list(_speedups(packed, alone, start, epochs))
        if (failed := next((member.error for member in packed.ended), None)) is not None:
            return Calibration(incompatibility=f"a pack failed: {failed}")
        return Calibration(statistics.median(speedups), proved=packed.proved)


@contextlib.contextmanager
def _hosted(
    study_file: StudyFile, sampled: list[dict[str, Any]], data_dir: str | None, folder: Path
) -> Iterator[_TimedHost]:
    """Yields a host of trials whose epochs have a few steps."""
    host = _TimedHost()
    for number, params in enumerate(sampled):
        own = folder / str(number)
        trial = CalibrationTrial(study_file, params, data_dir, own, seed=number, epochs=ROUNDS + 2, steps=STEPS)
        host.trials.append(trial)
        host.add(number, trial.fit)
    try:
        yield host
    finally:
        host.end()


def _attach(host: Host) -> str | None:
    """Lets every member run up to its first epoch; returns why they cannot train in packs, as far as is known then."""
    for member in host.advance():
        return f"a calibration trial failed: {member.error}"  # the search reports what is wrong when a trial meets it
    return next((member.refused for member in host.members if member.refused is not None), None)


def _unbounded(host: Host, study_file: StudyFile) -> str | None:
    """Why whole epochs cannot train in packs although the few steps of an epoch here can."""
    if type(study_file.trainer.keywords.get("limit_train_batches")) is int:
        return None
    try:
        sum(len(loader) for loader in training_loaders(host.members[0].trainer))
    except (TypeError, NotImplementedError):
        return engines.UNBOUNDED
    return None


def _compare(
    host: Host, study_file: StudyFile, sampled: list[dict[str, Any]], data_dir: str | None, folder: Path
) -> dict[str, Comparison]:
    """Compares a trial of each structure in a pack with the same trial alone."""
    examples: dict[str, list[dict[str, Any]]] = {}
    for member, params in zip(host.members, sampled, strict=True):
        examples.setdefault(engines.structure(member.trainer, member.module), []).append(params)
    compared = {}
    for structure in sorted(examples, key=lambda one: -len(examples[one]))[:STRUCTURES]:
        for number, params in enumerate(examples[structure][:EXAMPLES]):
            try:
                compared[structure] = compare(study_file, params, data_dir, folder / structure / str(number))
                break
            except Diverged as error:  # this configuration shows nothing; another one may
                compared[structure] = Comparison(f"a calibration trial failed: {error}")
    return compared


def _speedups(packed: _TimedHost, alone: _TimedHost, start_seconds: float, epochs: float) -> Iterator[float]:
    """Yields, per round, how many times as fast the trials are in packs.

    Args:
        packed: Trials in packs; the first trial that uses a data set loads it; the others reuse it.
        alone: The same trials, each alone.
        start_seconds: Seconds that a trial alone takes until its first epoch.
        epochs: Epochs of a trial.
    """
    for host in (packed, alone):
        host.epoch_seconds()  # warm-up
    size, start_packed = len(packed.trials), statistics.median(trial.start_seconds for trial in packed.trials)
    began = time.perf_counter()
    for number in range(ROUNDS):
        if number == 0 or time.perf_counter() - began < TIMED_SECONDS:
            one_by_one = size * start_seconds + epochs * alone.epoch_seconds()
            yield one_by_one / (size * start_packed + epochs * packed.epoch_seconds())


class _TimedHost(Host):
    """A host that measures its epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.trials: list[CalibrationTrial] = []
        """The trials of its members."""
        self.ended: list[Member] = []
        """Members that ended before the last timed epoch."""
        self._seconds_to_add = 0.0
        """Seconds that the rest of the epoch would take the packs."""

    def refuse_unproved(self) -> None:
        """Makes members train alone whose structure is not proved."""
        for member in self.members:
            if (reason := self.incompatibility(member)) is not None:
                member.refuse(reason)

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
