"""A rehearsal before a search: do its trials train in packs, and does it pay?"""

from __future__ import annotations

import functools
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import optuna

from lightsearch import components
from lightsearch.flavours import data_for, of_model
from lightsearch.packs import engines, modules
from lightsearch.packs.host import Host
from lightsearch.packs.member import Member
from lightsearch.study_file import StudyFile
from lightsearch.training import SeedEpochs, make_trainer, quiet
from lightsearch.trial import Place

STEPS = 4
"""Steps that are timed, after as many that warm up."""


class Rehearsal(NamedTuple):
    """What came of it."""

    gain: float = 1.0
    """How many times as fast the members' steps were together as one after the other."""
    refused: str | None = None
    """Why they do not train together; None: they do."""


def rehearse(study_file: StudyFile, data_dir: str | None, size: int) -> Rehearsal:
    """Takes a few steps with some configurations of the study, together and one by one; nothing is kept.

    Args:
        study_file: The declared study.
        data_dir: Folder of the data files.
        size: Members of the pack.
    """
    quiet()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    host = Host()
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=study_file.seed))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(size):
            params = study_file.space.split(study_file.space.suggest(sampler.ask()))
            host.add(number, functools.partial(_fit, study_file, params, data_dir, Path(folder)))
        try:
            return _time(host)
        finally:
            host.end()


def _fit(study_file: StudyFile, params: Any, data_dir: str | None, folder: Path, place: Place) -> None:
    """A trial as far as its first epoch, which it waits for until it is stopped."""
    data = place.build_data(study_file, params["data"], data_dir)
    model = components.build_model(study_file, params["model"], data)
    keywords = {**study_file.trainer.keywords, **params["trainer"]}
    flavour = of_model(model)
    trainer = make_trainer(flavour, keywords, folder, [SeedEpochs(0), *place.callbacks])
    trainer.fit(model, datamodule=data_for(flavour, data))


def _time(host: Host) -> Rehearsal:
    for member in host.members:
        member.go_on()
        if member.ended:  # what is wrong with it will be said of a trial
            return Rehearsal(refused=f"a trial of it failed: {member.error}")
        if reason := engines.why_not(member.trainer, member.module):
            return Rehearsal(refused=reason)
    packs = host.packs()
    if all(len(pack) == 1 for pack in packs):
        return Rehearsal(refused="no two of the first trials have modules of one form, and the same batches")
    batches = [list(itertools.islice(pack[0].trainer.datamodule.train_dataloader(), STEPS)) for pack in packs]

    def together() -> None:
        for pack, steps in zip(packs, batches, strict=True):
            engines.train_epoch(pack, steps)

    def alone() -> None:
        for pack, steps in zip(packs, batches, strict=True):
            for member in pack:
                _train_alone(member, steps)

    try:
        return Rehearsal(gain=_seconds(alone) / _seconds(together))
    except modules.NotPackable as reason:
        return Rehearsal(refused=str(reason))


def _train_alone(member: Member, batches: list[Any]) -> None:
    device = member.trainer.strategy.root_device
    with modules.logging_to(member.module, {}, {}):
        for index, batch in enumerate(batches):
            answer = member.module.training_step(*modules.arguments(member.module, modules.moved(batch, device), index))
            member.optimizer.zero_grad()
            (answer["loss"] if isinstance(answer, dict) else answer).backward()
            member.optimizer.step()


def _seconds(run: Callable[[], None]) -> float:
    run()
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
