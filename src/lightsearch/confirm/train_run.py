"""The training of a run, in its worker process: the counterpart of ``training.trial`` outside the search."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lightsearch.atomic_files import file_digest, make_folder, second_name, write_json
from lightsearch.confirm.runs import RESULT, Phase, Run, RunOutcome, finished, prepare
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Diverged, Interrupted, Kind, ending_of
from lightsearch.paths import BEST, LAST, PARENT
from lightsearch.training import components, multi_device
from lightsearch.training.boundary import EndingFields
from lightsearch.training.epoch_log import EPOCHS, EpochLog
from lightsearch.training.fit import Fit, fit
from lightsearch.training.inheritance import Inherit
from lightsearch.training.plan import Plan, WithoutValidation, WithValidation
from lightsearch.training.rank import Rank
from lightsearch.training.stopping import Pause, StopAfter
from lightsearch.training.worker_lock import sole_worker


def train_run(study_file: StudyFile, run: Run, *, folder: Path, data_dir: str | None, attempt: int) -> RunOutcome:
    """Trains one run, or resumes it from its last checkpoint, and writes its outcome.

    Args:
        study_file: The declared study.
        run: What to train.
        folder: The run's folder: receives a checkpoint, ``epochs.csv`` and ``result.json``.
        data_dir: Folder of the data files.
        attempt: Number of the outcome that is written: a stale outcome has another one.

    Returns:
        The outcome, whatever happened: an exception becomes a kind. If another worker has finished the run meanwhile,
        its outcome is returned.

    Raises:
        Interrupted: if asked to stop; nothing is recorded, and the run can be resumed.
        ResourceUnavailable: if the machine lacks a resource; nothing is recorded, and the run can be resumed.
    """
    log, began = EpochLog(folder / EPOCHS), time.perf_counter()
    running = _RunningRun(study_file, run, folder, data_dir, attempt, log, began)
    with sole_worker(folder):
        if (done := finished(run, folder)) is not None:
            return done  # by a stale worker
        prepare(run, folder)
        try:
            ending = multi_device.run(study_file.devices(run.params), running.train, running.record)
        except (Interrupted, KeyboardInterrupt):
            raise
        except BaseException as error:  # the boundary of a run: whatever happened is recorded here
            ending = ending_of(error)
            if ending["kind"] is Kind.INTERRUPTED:
                raise ResourceUnavailable(ending["error"].message) from error
        return running.record(ending)


@dataclass(frozen=True)
class _RunningRun:
    """One attempt of a run."""

    study_file: StudyFile
    run: Run
    folder: Path
    data_dir: str | None
    attempt: int
    log: EpochLog
    """Receives the epochs of the first process."""
    began: float
    """When the worker began, by ``time.perf_counter()``."""

    def train(self, rank: Rank) -> EndingFields:
        """Trains the phases of the run, one after the other. Each of the run's processes does this.

        A phase before the last one has a folder of its own. If it ends the training, as by early stopping, its files
        are those of the run.
        """
        phases, metric = self.run.phases, self.study_file.metric
        folders = [*(self.folder / f"phase-{index}" for index in range(len(phases) - 1)), self.folder]
        for index, (phase, folder) in enumerate(zip(phases, folders, strict=True)):
            fitted, log = self._fit(phase, folder, rank, begins=index > 0)
            if fitted.stop_reason not in ("paused", "epochs") or folder == self.folder:
                break
            last, parent = folder / LAST, folders[index + 1] / PARENT
            rank.agreed(lambda last=last, parent=parent: second_name(last, parent))  # type: ignore[misc]
        if folder != self.folder:
            rank.agreed(lambda: self._move_up(folder))
        if rank.is_first:
            self.log.history = log.history
        for row in log.history if self.run.on == "train" else ():
            if not math.isfinite(row.get(metric, 0.0)):  # not every epoch may be validated
                raise Diverged(f"{metric} is {row[metric]} in epoch {int(row['epoch']) + 1}")
        return {"kind": Kind.COMPLETE, "stop_reason": fitted.stop_reason, "device": fitted.device}

    def _fit(self, phase: Phase, folder: Path, rank: Rank, *, begins: bool) -> tuple[Fit, EpochLog]:
        """Builds data and model, and fits.

        Args:
            phase: The phase.
            folder: Its folder.
            rank: Which of the run's processes this is.
            begins: Whether it begins from the checkpoint of the phase before.
        """
        study_file, run, is_last = self.study_file, self.run, folder == self.folder
        log = (self.log if is_last else EpochLog(folder / EPOCHS)) if rank.is_first else EpochLog(None)
        make_folder(folder)
        join_val = run.on == "train+val"
        built = components.build(study_file, phase.params, self.data_dir, seed=run.seed, join_val=join_val)
        pause = None if is_last or phase.epochs is None else Pause(phase.epochs)
        patience = study_file.trainer.patience if run.stops_early else 0
        plan: Plan = replace(WithValidation.of(study_file, pause), save_top_k=1, patience=patience)
        if join_val:
            assert phase.epochs is not None, "without validation nothing else ends the fit in time"
            plan = WithoutValidation(phase.epochs)
        stops = not join_val and is_last and phase.epochs is not None
        fitted = fit(
            built,
            plan,
            folder=folder,
            log=log,
            callbacks=[
                *([Inherit("the phase before" if begins else None)] if run.earlier else []),
                *([StopAfter(phase.epochs or 0)] if stops else []),
            ],
            epoch_seeds=run.epoch_seeds,
            rank=rank,
        )
        return fitted, log

    def _n_epochs(self) -> int:
        """The epochs of all phases."""
        history = self.log.history
        return int(history[-1]["epoch"]) + 1 if history and self.run.earlier else len(history)

    def _move_up(self, folder: Path) -> None:
        for name in (BEST, LAST, EPOCHS):
            if (folder / name).exists():
                (folder / name).replace(self.folder / name)

    def record(self, ending: EndingFields) -> RunOutcome:
        """Completes the outcome with the ending and the best or last epoch, and writes ``result.json``."""
        run, metric = self.run, self.study_file.metric
        best = self.log.best(metric, self.study_file.mode)
        checkpoint = self.folder / (BEST if run.on == "train" else LAST)
        row = best or (self.log.history[-1] if self.log.history else {})
        logged = {name: value for name, value in row.items() if name not in ("epoch", "seconds")}
        metrics = {name: value for name, value in logged.items() if math.isfinite(value)}
        found = {
            "number": -1 if run.trial is None else run.trial,
            "attempt": self.attempt,
            "value": metrics.get(metric) if best else None,
            "best_epoch": best and int(best["epoch"]),
            "epochs": self._n_epochs(),
            "params": run.params,
            "metrics": metrics,
            "seed": run.seed,
            "seconds": round(self.log.seconds_before + time.perf_counter() - self.began, 3),
            "checkpoint": checkpoint.name if checkpoint.exists() else None,
            "sha256": file_digest(checkpoint) if checkpoint.exists() else None,
            "threads": torch.get_num_threads(),
        }
        outcome = RunOutcome.model_validate({**found, **ending})
        if run.on == "train" and outcome.kind is Kind.COMPLETE:
            (self.folder / LAST).unlink(missing_ok=True)  # there is nothing left to resume
        write_json(self.folder / RESULT, outcome.model_dump(mode="json"))
        return outcome
