"""One training outside the search: a configuration, a seed, and the outcome."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from lightsearch.atomic_files import file_digest, make_folder, write_json
from lightsearch.machine import leftovers
from lightsearch.outcome import Kind, Outcome

TrainSplit = Literal["train", "train+val"]
Purpose = Literal["confirm", "final", "reproduce"]
PURPOSES: tuple[Purpose, ...] = ("confirm", "final", "reproduce")
RUN, RESULT = "run.json", "result.json"
IN_USE = {leftovers.LOCK, leftovers.CARD, "log.txt"}
"""Files of a run's folder that its worker has open."""


class Phase(BaseModel):
    """A part of a training that has parameters of its own."""

    model_config = ConfigDict(frozen=True)

    params: dict[str, Any]
    """The configuration, by the names of the study's space."""
    epochs: int | None
    """The number of epochs after which the next phase begins, counted from the first phase on; None: the last one
    trains to its end."""


class Run(BaseModel):
    """A training to do. Equal runs give equal results, so that a finished one is not repeated."""

    model_config = ConfigDict(frozen=True)

    study_uid: str
    """The study's identity: another study of the same name has a different one."""
    purpose: Purpose
    trial: int | None
    """The trial that the configuration comes from; None: the defaults of the model and the data."""
    index: int
    """Index of the configuration's seed, from 0."""
    seed: int
    params: dict[str, Any]
    """The configuration, by the names of the study's space."""
    on: TrainSplit = "train"
    """What to train on; with train+val there is no validation."""
    epoch_seeds: list[int] = []
    """The seed of each epoch of a trial that trained in a pack; empty: they follow from the run's seed."""
    epochs: int | None = None
    """Number of epochs to train; None: early stopping or ``max_epochs`` ends the fit."""
    stops_early: bool = True
    """Whether early stopping may end it. It does not end the repetition of a trial that a scheduler has paused."""
    earlier: list[Phase] = []
    """The phases before that with ``params``, if the trial began from the checkpoint of another one."""

    @property
    def phases(self) -> list[Phase]:
        """All phases, as far as the run trains. One at least."""
        found: list[Phase] = []
        first = 0
        for phase in [*self.earlier, Phase(params=self.params, epochs=self.epochs)]:
            until = phase.epochs if self.epochs is None else min(phase.epochs or self.epochs, self.epochs)
            if not found or self.epochs is None or first < self.epochs:
                found.append(Phase(params=phase.params, epochs=until))
            first = until or first
        return found

    @property
    def label(self) -> str:
        """The configuration, for people."""
        return configuration_name(self.trial)

    @property
    def title(self) -> str:
        """The run, for people."""
        return {
            "confirm": f"{self.label}, seed {self.index + 1}",
            "final": f"{self.label} on {self.on}",
            "reproduce": f"{self.label} again",
        }[self.purpose]

    def folder(self, study_folder: Path) -> Path:
        """``studies/<name>/retrain/confirm-trial-0007-seed-0``."""
        name = "defaults" if self.trial is None else f"trial-{self.trial:04d}"
        side = "" if self.on == "train" else "-train-val"
        return study_folder / "retrain" / f"{self.purpose}-{name}{side}-seed-{self.index}"


class RunOutcome(Outcome):
    """The outcome of a run: the content of its ``result.json``. ``number`` is -1 for the defaults."""

    threads: int = 0
    """CPU threads of the training; the last bits of a result depend on them."""


def configuration_name(trial: int | None) -> str:
    return "the defaults" if trial is None else f"trial {trial}"


def retraining_seed(study_seed: int, purpose: Purpose, trial: int | None, index: int) -> int:
    """The seed of a run, below 2**32, from (study seed, purpose, configuration, index).

    The last three are the spawn key of numpy's SeedSequence. Sequences with a spawn key are independent of those
    without, from which the trials' seeds come: no run repeats the random numbers of the trial that it confirms.
    """
    key = (1 + PURPOSES.index(purpose), 0 if trial is None else trial + 1, index)
    return int(np.random.SeedSequence(study_seed, spawn_key=key).generate_state(1)[0])


def prepare(run: Run, folder: Path) -> None:
    """Creates the run's folder, and keeps a checkpoint of an earlier, interrupted start of the same run.

    Other files are deleted: those of another study's run, of a run that failed, or of one whose checkpoint has been
    damaged since. It must be called inside ``sole_worker``, so that no other process writes into the folder.
    """
    make_folder(folder)
    before = read_result(folder)
    if not _is_of(run, folder) or (before is not None and before.kind is not Kind.INTERRUPTED):
        for left in folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif left.name not in IN_USE:
                left.unlink()
        write_json(folder / RUN, run.model_dump(mode="json"))
    (folder / RESULT).unlink(missing_ok=True)


def finished(run: Run, folder: Path) -> RunOutcome | None:
    """The outcome of the run, if it is finished and its checkpoint exists and is whole; otherwise None."""
    outcome = read_result(folder) if _is_of(run, folder) else None
    if outcome is None or outcome.kind is Kind.DIVERGED:
        return outcome  # it would diverge again
    checkpoint = folder / str(outcome.checkpoint)
    whole = outcome.kind is Kind.COMPLETE and checkpoint.is_file() and file_digest(checkpoint) == outcome.sha256
    return outcome if whole else None


def read_result(folder: Path, attempt: int | None = None) -> RunOutcome | None:
    """The outcome that the worker wrote at the end of the run; None if it wrote none.

    Args:
        folder: The run's folder.
        attempt: The attempt whose outcome is read; None: any.
    """
    try:
        found = RunOutcome.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if attempt in (None, found.attempt) else None


def _is_of(run: Run, folder: Path) -> bool:
    """Whether the folder belongs to this run."""
    try:
        return Run.model_validate_json((folder / RUN).read_text(encoding="utf-8")) == run
    except (OSError, ValueError):
        return False
