"""The proof before a search: do its trials train in packs as they do alone?

It is made with the study's model and data, and with Lightning's own hooks: a few steps of a few epochs, with their
validations and checkpoints.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
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
from lightsearch.packs.packing import Proof
from lightsearch.packs.proof import EPOCHS, STEPS, Comparison, compare
from lightsearch.training.quiet import quiet

STRUCTURES = 4
"""Structures of trials that are proved, the most frequent first; trials of other structures train one by one."""
EXAMPLES = 3
"""Configurations of a structure that are tried until one allows a comparison."""


def prove(study_file: StudyFile, data_dir: str | None, size: int, folder: Path | None = None) -> Proof:
    """Trains a few configurations of the study for a few steps, in a pack and alone, and compares. Nothing is kept.

    Args:
        study_file: The declared study.
        data_dir: Folder of the data files.
        size: Members of the packs of the search.
        folder: Where temporary files are written; None: in the system's folder for them.
    """
    if study_file.trainer.keywords.get("val_check_interval") not in (None, 1.0):
        return Proof(incompatibility="validation comes within an epoch (val_check_interval)")
    with calibrating(folder) as own:
        host, sampled = Host(), configurations(study_file, size)
        for number, params in enumerate(sampled):
            trial = CalibrationTrial(
                study_file, params, data_dir, own / str(number), seed=number, epochs=EPOCHS, steps=STEPS
            )
            host.add(number, trial.fit)
        try:
            if (reason := _attach(host) or _unbounded(host, study_file)) is not None:
                return Proof(incompatibility=reason)
            compared = _compare(host, study_file, sampled, data_dir, own / "proof")
        finally:
            host.end()
    proved = frozenset(structure for structure, found in compared.items() if found.difference is None)
    if not proved:
        return Proof(incompatibility=next(found.difference for found in compared.values()))
    return Proof(proved=proved, start_seconds=max(found.start_seconds for found in compared.values()))


@contextlib.contextmanager
def calibrating(folder: Path | None) -> Iterator[Path]:
    """Yields a temporary folder; meanwhile, what trials print and warn of is not shown.

    Args:
        folder: Where the folder is made; None: in the system's folder for such.
    """
    quiet()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(action="ignore"),  # vmap warns of operations that are slow only in it
        tempfile.TemporaryDirectory(dir=folder) as name,
    ):
        yield Path(name)


def configurations(study_file: StudyFile, count: int) -> list[dict[str, Any]]:
    """Configurations of the space; the first ones are the same for every count.

    Args:
        study_file: The declared study.
        count: How many.
    """
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=study_file.seed))
    return [study_file.space.suggest(sampler.ask()) for _ in range(count)]


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
