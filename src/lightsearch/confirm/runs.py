"""One training outside the search: a configuration, a seed, and what became of it."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from lightsearch.atomic_files import file_digest, make_folder, write_json
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.machine import leftovers
from lightsearch.outcome import Diverged, Interrupted, Kind, Outcome, ending_of

if TYPE_CHECKING:
    from lightsearch.training.epoch_log import EpochLog
    from lightsearch.training.rank import Rank

TrainSplit = Literal["train", "train+val"]
Purpose = Literal["confirm", "final", "reproduce"]
PURPOSES: tuple[Purpose, ...] = ("confirm", "final", "reproduce")
RUN, RESULT = "run.json", "result.json"
IN_USE = {leftovers.LOCK, leftovers.CARD, "log.txt"}
"""Files of a run's folder that its worker holds open."""


class Run(BaseModel):
    """A training to be done. Two runs that are equal give the same result, so that one that is done is not repeated."""

    model_config = ConfigDict(frozen=True)

    study_uid: str
    """The study's identity: another study of the same name has another."""
    purpose: Purpose
    trial: int | None
    """The trial whose configuration it is; None: the model's and the data's own defaults."""
    index: int
    """Which of the configuration's seeds it is, from 0."""
    seed: int
    params: dict[str, Any]
    """The configuration, by the names of the study's space."""
    on: TrainSplit = "train"
    """What to train on; on train+val there is nothing to validate on."""
    epoch_seeds: list[int] = []
    """The epochs' seeds of a trial that trained in a pack; none: they come from the run's own."""
    epochs: int | None = None
    """Stop after so many epochs; None: early stopping or ``max_epochs`` decides, as in a trial."""

    @property
    def label(self) -> str:
        """The configuration in words."""
        return configuration_name(self.trial)

    @property
    def title(self) -> str:
        """The run in words."""
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
    """A run's end: what its ``result.json`` holds. ``number`` is -1 for the defaults, which are no trial's."""

    threads: int = 0
    """CPU threads that it trained with; bits depend on them."""


def configuration_name(trial: int | None) -> str:
    return "the defaults" if trial is None else f"trial {trial}"


def retraining_seed(study_seed: int, purpose: Purpose, trial: int | None, index: int) -> int:
    """The seed of a run, below 2**32, from (study seed, purpose, configuration, index).

    The numbers are the spawn key of numpy's SeedSequence, which keeps such sequences apart from every one that has
    none, as the trials' own have: no run repeats the luck of the trial that it confirms.
    """
    key = (1 + PURPOSES.index(purpose), 0 if trial is None else trial + 1, index)
    return int(np.random.SeedSequence(study_seed, spawn_key=key).generate_state(1)[0])


def prepare(run: Run, folder: Path) -> None:
    """Makes the run's folder, in which an interrupted start of this very run may have left a checkpoint.

    Whatever else is there is deleted: another study's run, one that failed, one whose checkpoint was damaged since.
    To be called where ``fencing.sole_worker`` is held: nobody else writes into the folder.
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
    """What became of the run, if it has been done, and its checkpoint is there and whole."""
    outcome = read_result(folder) if _is_of(run, folder) else None
    if outcome is None or outcome.kind is Kind.DIVERGED:
        return outcome  # it would diverge again
    checkpoint = folder / str(outcome.checkpoint)
    whole = outcome.kind is Kind.COMPLETE and checkpoint.is_file() and file_digest(checkpoint) == outcome.sha256
    return outcome if whole else None


def read_result(folder: Path, attempt: int | None = None) -> RunOutcome | None:
    """What the worker wrote at the run's end; None if it did not come to that.

    Args:
        folder: The run's folder.
        attempt: Which result is asked for; None: any.
    """
    try:
        found = RunOutcome.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if attempt in (None, found.attempt) else None


def _is_of(run: Run, folder: Path) -> bool:
    """Whether a folder is this very run's."""
    try:
        return Run.model_validate_json((folder / RUN).read_text(encoding="utf-8")) == run
    except (OSError, ValueError):
        return False


def train_run(study_file: StudyFile, run: Run, *, folder: Path, data_dir: str | None, attempt: int) -> RunOutcome:
    """Trains one run, or goes on with it from its last checkpoint, and writes what became of it.

    Args:
        study_file: The declared study.
        run: What to train.
        folder: The run's folder, which gets a checkpoint, ``epochs.csv`` and ``result.json``.
        data_dir: Folder of the data files.
        attempt: Which result of the folder this makes: a stale one is told apart by it.

    Returns:
        The outcome, whatever happened: an exception becomes a kind. One that another worker has left there meanwhile
        is taken.

    Raises:
        Interrupted: when asked to stop; nothing is recorded, and the run waits to be continued.
        ResourceUnavailable: if the machine does not let it go on; likewise.
    """
    # Imported here: the command that reads this file's results has no need of torch.
    from lightsearch.training import several_devices
    from lightsearch.training.epoch_log import EPOCHS, EpochLog
    from lightsearch.training.worker_lock import sole_worker

    began = time.perf_counter()
    log = EpochLog(folder / EPOCHS)

    def train(rank: Rank) -> dict[str, Any]:
        return _train(study_file, run, folder, data_dir, EpochLog(None) if rank.number else log, rank)

    def record(ending: dict[str, Any]) -> RunOutcome:
        return _write(study_file, run, folder, log, {**ending, "attempt": attempt}, time.perf_counter() - began)

    with sole_worker(folder):
        if (done := finished(run, folder)) is not None:
            return done  # by a worker that was late
        prepare(run, folder)
        try:
            ending = several_devices.run(study_file.devices(run.params), train, record)
        except (Interrupted, KeyboardInterrupt):
            raise
        except BaseException as error:  # the one boundary: whatever happened to the run is recorded here
            ending = ending_of(error)
            if ending["kind"] is Kind.INTERRUPTED:
                raise ResourceUnavailable(ending["error"].message) from error
        return record(ending)


def _train(
    study_file: StudyFile, run: Run, folder: Path, data_dir: str | None, log: EpochLog, rank: Rank
) -> dict[str, Any]:
    from pytorch_lightning import seed_everything

    from lightsearch.confirm.fixed_epochs import StopAfter, fit_without_validation
    from lightsearch.training import components
    from lightsearch.training.fit import fit

    sampled = study_file.space.split(run.params)
    keywords = {**study_file.trainer.keywords, **sampled["trainer"]}
    seed_everything(run.seed, workers=True, verbose=False)  # as in a trial: the weights are drawn from it
    data: Any = components.build_data(study_file, sampled["data"], data_dir)
    model = components.build_model(study_file, sampled["model"], data)
    common: dict[str, Any] = {"folder": folder, "seed": run.seed, "keywords": keywords, "log": log, "rank": rank}
    if run.on == "train+val":
        assert run.epochs is not None, "without validation nothing else ends the fit in time"
        data.join_val()
        device = fit_without_validation(model, data, epochs=run.epochs, **common)
        return {"kind": Kind.COMPLETE, "stop_reason": "epochs", "device": device}
    stop_after = [] if run.epochs is None else [StopAfter(run.epochs)]
    fitted = fit(
        model,
        data,
        metric=study_file.metric,
        mode=study_file.mode,
        patience=study_file.trainer.patience,
        min_delta=study_file.trainer.min_delta,
        callbacks=stop_after,
        epoch_seeds=run.epoch_seeds,
        **common,
    )
    for row in log.history:
        if not math.isfinite(row[study_file.metric]):
            raise Diverged(f"{study_file.metric} is {row[study_file.metric]} in epoch {int(row['epoch'])}")
    return {"kind": Kind.COMPLETE, "stop_reason": fitted.stop_reason, "device": fitted.device}


def _write(
    study_file: StudyFile, run: Run, folder: Path, log: EpochLog, ending: dict[str, Any], seconds: float
) -> RunOutcome:
    import torch

    from lightsearch.training.checkpoint_files import BEST, LAST

    best = log.best(study_file.metric, study_file.mode)
    checkpoint = folder / (BEST if run.on == "train" else LAST)
    row = best or (log.history[-1] if log.history else {})
    metrics = {name: value for name, value in row.items() if name not in ("epoch", "seconds") and math.isfinite(value)}
    found = {
        "number": -1 if run.trial is None else run.trial,
        "value": metrics.get(study_file.metric) if best else None,
        "best_epoch": best and int(best["epoch"]),
        "epochs": len(log.history),
        "params": run.params,
        "metrics": metrics,
        "seed": run.seed,
        "seconds": round(log.seconds_before + seconds, 3),
        "checkpoint": checkpoint.name if checkpoint.exists() else None,
        "sha256": file_digest(checkpoint) if checkpoint.exists() else None,
        "threads": torch.get_num_threads(),
    }
    outcome = RunOutcome.model_validate({**found, **ending})
    if run.on == "train" and outcome.kind is Kind.COMPLETE:
        (folder / LAST).unlink(missing_ok=True)  # nothing is left to go on with
    write_json(folder / RESULT, outcome.model_dump(mode="json"))
    return outcome
