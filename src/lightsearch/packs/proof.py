"""The proof that a pack changes nothing: the weights and all logged values of a trial are those that it has alone.

The tolerance comes from what rounding does: the same trial runs alone once more, with its weights changed by their last
bits at the start. For example, a BatchNorm cancels the bias before it. Only noise moves this bias, and with it the
running mean and the first validations; noise hardly moves the other weights.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import torch

from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Diverged, LeftPack
from lightsearch.packs import engines
from lightsearch.packs.calibration_trial import CalibrationTrial
from lightsearch.packs.host import Host
from lightsearch.training import components

EPOCHS, STEPS = 3, 3
"""Epochs of each trial, and batches of an epoch and of a validation."""
LAST_BITS = 1e-6
"""Relative size of the change at the start: about ten times the distance to the next float32."""
TOLERANCE = 1e-4
"""Relative difference that is allowed for weights (in the norm of a tensor) and logged values, ..."""
TIMES_ROUNDING = 10
"""... plus this many times the relative difference that the change at the start causes."""
UNSTABLE = 1e-2
"""A configuration in which the change at the start grows to this relative size proves nothing."""
DRAWS = 20
"""Configurations that are drawn to find other values of the parameters."""


class Comparison(NamedTuple):
    """The result of comparing a trial in a pack with the same trial alone."""

    difference: str | None
    """What a pack would change; None: nothing."""
    start_seconds: float = 0.0
    """From the beginning of a trial alone to its first epoch: it reads its data and builds its module."""


def compare(study_file: StudyFile, params: dict[str, Any], data_dir: str | None, folder: Path) -> Comparison:
    """Trains a trial and a partner in a pack, the partner one epoch behind, then each of them alone; compares them.

    Args:
        study_file: The declared study.
        params: The sampled parameters of the trial. The partner differs in as many of them as one pack allows.
        data_dir: Folder of the data files.
        folder: Folder for the checkpoints.

    Raises:
        Diverged: if the configuration shows nothing, because it diverges or is unstable.
    """
    for partner in (_partner(study_file, params, data_dir), params):
        pair = [
            CalibrationTrial(study_file, one, data_dir, folder / str(seed), seed=seed, epochs=EPOCHS, steps=STEPS)
            for seed, one in enumerate((params, partner), start=1)
        ]
        if (failure := _train_together(pair)) is not None:
            return Comparison(failure)
        if pair[0].epoch_seeds[1:] == pair[1].epoch_seeds[: EPOCHS - 1]:
            reasons = [reason for trial in pair if (reason := _difference(trial)) is not None]
            return Comparison(reasons[0] if reasons else None, statistics.median(trial.start_seconds for trial in pair))
    return Comparison("no two trials have the same module structure and the same batches")


def _train_together(pair: Sequence[CalibrationTrial]) -> str | None:
    """Trains both in a pack, the second from the second epoch of the first; returns why that failed, or None."""
    host = Host()
    ended = []
    try:
        for number, trial in enumerate(pair):
            host.add(number, trial.fit)
            ended += host.round()
        ended += list(host.run())
    finally:
        host.end()
    for member in ended:
        if isinstance(member.error, Diverged):
            raise member.error
        if isinstance(member.error, LeftPack):
            return str(member.error)
        if member.error is not None:
            return f"a trial failed in a pack: {type(member.error).__name__}: {str(member.error).strip():.60}"
        if member.refused is not None:
            return member.refused
    return None


def _difference(trial: CalibrationTrial) -> str | None:
    """What a pack has changed in a trial that has trained in one; None: nothing."""
    packed = _Result(trial)
    trial.start.forget()
    trial.start_seconds = 0.0
    trial.fit(epoch_seeds=trial.epoch_seeds)
    alone = _Result(trial)
    trial.start.nudge = LAST_BITS
    trial.fit(epoch_seeds=packed.epoch_seeds)
    nudged = _Result(trial)
    rounding: dict[str, float] = {}
    for name, distance in _distances(alone, nudged):  # of a logged value, the largest of all epochs
        rounding[_without_epoch(name)] = max(rounding.get(_without_epoch(name), 0.0), distance)
    if statistics.median([0.0, *rounding.values()]) > UNSTABLE:
        raise Diverged("training is too sensitive to rounding for a comparison")
    for name, distance in _distances(alone, packed):
        if not distance <= TOLERANCE + TIMES_ROUNDING * rounding.get(_without_epoch(name), 0.0):
            return f"in a pack {name} differs from that of a trial trained alone (relative difference {distance:.2g})"
    return None


def _without_epoch(name: str) -> str:
    return name.partition(" (")[0]


class _Result:
    """The weights and the logged values of a trial."""

    def __init__(self, trial: CalibrationTrial) -> None:
        self.epoch_seeds = trial.epoch_seeds
        self.tensors = {
            name: value.detach().clone()
            for name, value in trial.model.state_dict().items()
            if isinstance(value, torch.Tensor)
        }
        self.logged = {
            f"{name} (epoch {int(row['epoch'])})": value
            for row in trial.log.history
            for name, value in row.items()
            if name not in ("epoch", "seconds")
        }
        self.logged |= {
            f"{name} (row {number} of the logger, step {step})": float(value)
            for number, (step, metrics) in enumerate(trial.rows)
            for name, value in metrics.items()
        }


def _distances(alone: _Result, other: _Result) -> Iterator[tuple[str, float]]:
    """The relative difference of each value in another run; infinity if it is missing or cannot be compared."""
    for name in alone.logged.keys() | other.logged.keys():
        one, two = (run.logged.get(name, math.inf) for run in (alone, other))
        same = one == two or (math.isnan(one) and math.isnan(two))
        yield name, 0.0 if same else abs(one - two) / max(abs(one), 1e-3)
    for name in alone.tensors.keys() | other.tensors.keys():
        yield name, _tensor_distance(alone.tensors.get(name), other.tensors.get(name))


def _tensor_distance(one: torch.Tensor | None, other: torch.Tensor | None) -> float:
    if one is None or other is None or one.shape != other.shape:
        return math.inf
    if not one.is_floating_point():
        return 0.0 if torch.equal(one, other) else math.inf
    one, other = one.double(), other.double()
    size = max(float(one.norm()), 1e-6 * math.sqrt(max(one.numel(), 1)))
    return float((one - other).norm()) / size


def _partner(study_file: StudyFile, params: dict[str, Any], data_dir: str | None) -> dict[str, Any]:
    """A configuration for the same pack with other values of as many parameters as possible, to show any mixing."""
    space = study_file.space
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=study_file.seed + 1))
    draws = [space.suggest(sampler.ask()) for _ in range(DRAWS)]
    sampled = space.split(params)
    data = components.build_data(study_file, sampled["data"], data_dir)
    key = engines.structure_key(components.build_model(study_file, sampled["model"], data))
    partner = dict(params)
    for name, value in params.items():
        other = next((draw[name] for draw in draws if name in draw and draw[name] != value), value)
        candidate = {**partner, name: other}
        if other != value and _batches_with(study_file, candidate, sampled, data, key):
            partner = candidate
    return partner


def _batches_with(study_file: StudyFile, candidate: dict[str, Any], sampled: Any, data: Any, key: Any) -> bool:
    """Whether a configuration gives a module with this batch key, the same data and the same Trainer."""
    try:
        others = study_file.space.split(candidate)
        if any(others[section] != sampled[section] for section in ("data", "trainer")):
            return False
        return bool(engines.structure_key(components.build_model(study_file, others["model"], data)) == key)
    except Exception:  # the configuration cannot be built
        return False
