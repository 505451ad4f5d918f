"""A calibration before a search: do its trials train in packs as they do alone, and does it pay?

Both are tried, through Lightning's own hooks, on the study's model and data: a few steps of a few epochs, their
validations and their checkpoints.
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
from lightsearch.packs.proof import Comparison, compare
from lightsearch.packs.size import Calibration
from lightsearch.training.trainer import quiet

FORMS = 4
"""Forms of trials that are proved, the most frequent first; trials of others train one by one."""
EXAMPLES = 3
"""Configurations of a form that are tried until one shows something."""
STEPS = 8
"""Steps of each epoch that is timed."""
ROUNDS = 3
"""Epochs that are timed, in a pack and alone in alternation, after one that warms up."""
PROCESS_SECONDS = 0.06
"""What a process of its own costs a trial (``python -m tests.benchmarks.overhead``)."""
TRAINED_SHARE = 0.35
"""The share of ``max_epochs`` that a trial trains on average: early stopping and pruning save the rest."""
TIMED_SECONDS = 3.0
"""After so much of it, fewer rounds have to do."""


def calibrate(study_file: StudyFile, data_dir: str | None, size: int) -> Calibration:
    """Trains some configurations of the study for a few steps, in a pack and alone; nothing is kept.

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
        warnings.catch_warnings(action="ignore"),  # of what is slow, or odd, in vmap alone
        tempfile.TemporaryDirectory() as name,
        _hosted(study_file, sampled, data_dir, Path(name) / "packed") as packed,
    ):
        if (reason := _attach(packed) or _unbounded(packed, study_file)) is not None:
            return Calibration(incompatibility=reason)
        compared = _compare(packed, study_file, sampled, data_dir, Path(name) / "proof")
        refutations = [found.refutation for found in compared.values() if found.refutation is not None]
        packed.proved = frozenset(form for form, found in compared.items() if found.refutation is None)
        if not packed.proved:
            return Calibration(incompatibility=refutations[0])
        packed.refuse_others()
        with _hosted(study_file, sampled, data_dir, Path(name) / "alone") as alone:
            alone.share_data(packed)
            alone.proved = frozenset()
            packed.train()
            alone.advance()
            start = max(found.start_seconds for found in compared.values()) + PROCESS_SECONDS
            epochs = max(study_file.trainer.max_epochs * TRAINED_SHARE, 1.0)
            gains = list(_gains(packed, alone, start, epochs))
        if (failed := next((member.error for member in packed.ended), None)) is not None:
            return Calibration(incompatibility=f"a pack failed: {failed}")
        return Calibration(statistics.median(gains), proved=packed.proved)


@contextlib.contextmanager
def _hosted(
    study_file: StudyFile, sampled: list[dict[str, Any]], data_dir: str | None, folder: Path
) -> Iterator[_TimedHost]:
    """A host of trials that train epochs of a few steps."""
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
    """Lets every member come to its first epoch; why they do not train in packs, as far as that can be seen then."""
    for member in host.advance():
        return f"a trial of it failed: {member.error}"  # what is wrong with it will be said of a trial
    return next((member.refused for member in host.members if member.refused is not None), None)


def _unbounded(host: Host, study_file: StudyFile) -> str | None:
    """Why trials' own epochs do not train in packs, where the few steps of an epoch here would."""
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
    """A trial of each form in a pack and alone."""
    examples: dict[str, list[dict[str, Any]]] = {}
    for member, params in zip(host.members, sampled, strict=True):
        examples.setdefault(engines.form(member.trainer, member.module), []).append(params)
    compared = {}
    for form in sorted(examples, key=lambda form: -len(examples[form]))[:FORMS]:
        for number, params in enumerate(examples[form][:EXAMPLES]):
            try:
                compared[form] = compare(study_file, params, data_dir, folder / form / str(number))
                break
            except Diverged as error:  # it shows nothing; another configuration may
                compared[form] = Comparison(f"a trial of it failed: {error}")
    return compared


def _gains(packed: _TimedHost, alone: _TimedHost, start_seconds: float, epochs: float) -> Iterator[float]:
    """How many times as fast trials are in packs, measured in alternation.

    Args:
        packed: Trials in packs; the first of those with the same data has read it, the others start as in a search.
        alone: The same trials, each by itself.
        start_seconds: What a trial by itself takes until its first epoch.
        epochs: Epochs of a trial.
    """
    for host in (packed, alone):
        host.epoch_seconds()  # warms up
    size, start_packed = len(packed.trials), statistics.median(trial.start_seconds for trial in packed.trials)
    began = time.perf_counter()
    for number in range(ROUNDS):
        if number == 0 or time.perf_counter() - began < TIMED_SECONDS:
            by_itself = size * start_seconds + epochs * alone.epoch_seconds()
            yield by_itself / (size * start_packed + epochs * packed.epoch_seconds())


class _TimedHost(Host):
    """A host that knows what takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.trials: list[CalibrationTrial] = []
        """Those of its members."""
        self.ended: list[Member] = []
        """Members that did not come to the end of what is timed."""
        self._seconds_to_add = 0.0
        """What further steps of packs would take."""

    def share_data(self, other: Host) -> None:
        """Uses the data that another host has read."""
        self._data = other._data

    def refuse_others(self) -> None:
        """Has members of forms that are not proved train alone."""
        for member in self.members:
            if (reason := self.incompatibility(member)) is not None:
                member.refuse(reason)

    def epoch_seconds(self) -> float:
        """Trains every member for an epoch; seconds that all of its batches, and all of its validation, would take."""
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
