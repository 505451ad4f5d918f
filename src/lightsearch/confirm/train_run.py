"""The training of a run, in its worker process: the counterpart of ``training.trial`` outside the search."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lightsearch.atomic_files import file_digest, write_json
from lightsearch.confirm.runs import RESULT, Run, RunOutcome, finished, prepare
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Diverged, Interrupted, Kind, ending_of
from lightsearch.training import components, multi_device
from lightsearch.training.boundary import EndingFields
from lightsearch.training.checkpoint_io import BEST, LAST
from lightsearch.training.epoch_log import EPOCHS, EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import Plan, WithoutValidation, WithValidation
from lightsearch.training.rank import Rank
from lightsearch.training.stopping import StopAfter
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
        """Builds data and model, and fits. Each of the run's processes does this."""
        study_file, run = self.study_file, self.run
        log = self.log if rank.is_first else EpochLog(None)
        join_val = run.on == "train+val"
        built = components.build(study_file, run.params, self.data_dir, seed=run.seed, join_val=join_val)
        plan: Plan = replace(WithValidation.of(study_file), save_top_k=1)
        if join_val:
            assert run.epochs is not None, "without validation nothing else ends the fit in time"
            plan = WithoutValidation(run.epochs)
        fitted = fit(
            built,
            plan,
            folder=self.folder,
            log=log,
            callbacks=[] if join_val or run.epochs is None else [StopAfter(run.epochs)],
            epoch_seeds=run.epoch_seeds,
            rank=rank,
        )
        for row in log.history if not join_val else ():
            if not math.isfinite(row[study_file.metric]):
                raise Diverged(f"{study_file.metric} is {row[study_file.metric]} in epoch {int(row['epoch'])}")
        return {"kind": Kind.COMPLETE, "stop_reason": fitted.stop_reason, "device": fitted.device}

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
            "epochs": len(self.log.history),
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
