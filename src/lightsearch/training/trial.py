"""One trial, from its sampled parameters to its outcome. A worker process runs this and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pytorch_lightning import Callback

from lightsearch.atomic_files import file_digest, write_json
from lightsearch.declare.scheduling import mutated, patience_in_training, scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import BEST
from lightsearch.storage.worker_storage import History
from lightsearch.study.lineage import start_of
from lightsearch.study.pareto import SPREADS
from lightsearch.study.recording import spreads_of_objectives
from lightsearch.study.reporting_trial import ReportingTrial
from lightsearch.study.samplers import trial_seed
from lightsearch.study.schedulers import Start
from lightsearch.study.worker_trial import attach_trial
from lightsearch.training import components, measures, multi_device
from lightsearch.training.boundary import EndingFields, run_recorded
from lightsearch.training.components import BuildData
from lightsearch.training.epoch_log import EPOCHS, EpochLog
from lightsearch.training.fit import Fit, fit
from lightsearch.training.inheritance import Inherit, naming_parameters
from lightsearch.training.loggers import build_logger
from lightsearch.training.measurement_pauses import paused_by_measurements
from lightsearch.training.plan import WithValidation
from lightsearch.training.pruning import watch_metrics
from lightsearch.training.rank import Rank
from lightsearch.training.repeats import RESULT, FurtherRuns
from lightsearch.training.stopping import Pause
from lightsearch.training.usage import Usage
from lightsearch.training.worker_lock import AttemptGuard, WorkerLock


class Continuation(NamedTuple):
    """How a trial that has paused in memory continues there."""

    attempt: int
    """Which start of the trial this is."""
    until: int
    """The number of epochs, over all attempts, after which it pauses again."""


class PackContext(NamedTuple):
    """What a trial takes from the pack that it trains in. The defaults are those of a trial in no pack."""

    build_data: BuildData = components.build_data
    """Builds the data; in a pack all members share it."""
    callbacks: Sequence[Callback] = ()
    """Further callbacks; in a pack they hand the steps of an epoch to the pack."""
    wait: Callable[[], Continuation] | None = None
    """Waits in memory after a pause, until the trial continues; raises ``Forgotten`` if it does not continue there.
    None: the process of a trial that pauses ends."""
    parent: dict[str, Any] | None = None
    """The checkpoint that the trial begins from, as the pack has it in memory; None: it is a file."""


def run_trial(
    study_file: StudyFile,
    storage_url: str,
    trial_id: int,
    *,
    folder: Path,
    data_dir: str | None,
    attempt: int,
    history: History | None = None,
    until: int | None = None,
    context: PackContext | None = None,
) -> Outcome:
    """Trains one trial, or resumes it from its last checkpoint, and writes its outcome.

    Args:
        study_file: The declared study.
        storage_url: The study's storage.
        trial_id: A running trial of the study; its parameters are sampled.
        folder: The trial's folder: receives ``best.ckpt``, ``last.ckpt``, ``epochs.csv`` and ``result.json``.
        data_dir: Folder of the data files.
        attempt: Which start of the trial this is, from 1.
        history: The finished trials that the pruner compares with; None: they are read from the storage.
        until: The number of epochs, over all attempts, after which it pauses; None: it trains to its end.
        context: The trial's pack; None: it trains in no pack.

    Returns:
        The outcome, whatever happened: an exception becomes a kind. Only a request to stop is raised again.
    """
    began = time.perf_counter()
    trial, newest_attempt = attach_trial(study_file, storage_url, trial_id, history)
    start = start_of(trial.user_attrs)
    outcome = Outcome(
        number=trial.number,
        kind=Kind.COMPLETE,
        attempt=attempt,
        params=study_file.space.suggest(trial),
        first_epoch=0 if start is None else start.epochs,
        seed=trial_seed(study_file.seed, trial.number if start is None else start.root),
    )
    running = _RunningTrial(
        study_file=study_file,
        trial=trial,
        newest_attempt=newest_attempt,
        outcome=outcome,
        folder=folder,
        data_dir=data_dir,
        start=start,
        until=until,
        context=context or PackContext(),
        log=EpochLog(folder / EPOCHS),
        began=began,
        usage=Usage(folder / RESULT, attempt, shared=context is not None),
    )
    devices = study_file.devices(outcome.params)

    def work(lock: WorkerLock) -> EndingFields:
        running.lock = lock
        return running.repeat(multi_device.run(devices, running.train, running.record))

    return run_recorded(folder, work, running.record)


@dataclass
class _RunningTrial:
    """One attempt of a trial."""

    study_file: StudyFile
    trial: ReportingTrial
    """Optuna's trial. Only the first process uses it."""
    newest_attempt: Callable[[], int]
    """Reads the number of the trial's newest start from the storage."""
    outcome: Outcome
    """The outcome as far as it is known before training: parameters and seed."""
    folder: Path
    data_dir: str | None
    start: Start | None
    """Where it begins, if that is another trial's checkpoint."""
    until: int | None
    context: PackContext
    log: EpochLog
    """Receives the epochs of the first process."""
    began: float
    """When the worker began, by ``time.perf_counter()``, without the time that the trial has paused in memory."""
    usage: Usage
    lock: WorkerLock | None = None
    """The lock of the folder."""
    guard: AttemptGuard | None = None
    further: FurtherRuns | None = None
    """The runs after the first one, once they have begun."""

    def train(self, rank: Rank) -> EndingFields:
        """Builds data and model from the sampled parameters, and fits. Each of the trial's processes does this."""
        study_file, seed = self.study_file, self.outcome.seed
        assert seed is not None
        built = components.build(
            study_file, self.outcome.params, self.data_dir, seed=seed, make_data=self.context.build_data
        )
        measured = rank.agreed(lambda: measures.measure(study_file.measured, built.model, built.data))
        if self._is_infeasible(measured, rank):
            return {"kind": Kind.PRUNED, "stop_reason": "infeasible", "metrics": measured}
        logger = build_logger(study_file.logger, study_file.name, self.folder)
        if rank.is_first and any(spreads := spreads_of_objectives(measured, study_file)):
            self.trial.set_user_attr(SPREADS, spreads)  # trials are compared while they run
        watch = watch_metrics(study_file, self.trial if rank.is_first else None, measured)
        breeds = scheduler_of(study_file).name == "pbt" or self.start is not None
        callbacks: list[Callback] = [*([Inherit(self._parent)] if breeds else []), watch]
        if rank.is_first:
            self.guard = AttemptGuard(self.outcome.attempt, self.newest_attempt)
            callbacks = [self.guard, *callbacks, *self.context.callbacks]
        changed = {name: value for name, value in self.outcome.params.items() if name in mutated(study_file)}
        with (
            naming_parameters(self._parent, changed),
            paused_by_measurements("latency_ms" in measured and rank.is_first) as pauses,
        ):
            fitted = fit(
                replace(built, trainer_keywords={"logger": logger, **built.trainer_keywords}),
                replace(
                    WithValidation.of(study_file, self._pause(measured)), patience=patience_in_training(study_file)
                ),
                folder=self.folder,
                log=self.log if rank.is_first else EpochLog(None),
                callbacks=[*callbacks, *pauses],
                rank=rank,
                parent=self.context.parent,
            )
        return _ending(fitted if watch.pruned_epoch is None else fitted._replace(stop_reason="pruned"), measured)

    def repeat(self, ending: EndingFields) -> EndingFields:
        """Trains the further runs of a study with ``[validation]``, once the first run has ended for good."""
        spec, best = self.study_file.validation, self.log.best(self.study_file.metric, self.study_file.mode)
        if spec is None or best is None or ending["kind"] is not Kind.COMPLETE:
            return ending
        self.further = FurtherRuns(
            self.study_file, spec, self.trial, self.outcome.params, self.folder, self.data_dir, self.context.build_data
        )
        callbacks = [self.guard, *self.context.callbacks]
        return {**ending, **self.further.train(best[self.study_file.metric], callbacks)}

    def record(self, ending: EndingFields) -> Outcome:
        """Completes the outcome with the ending and the best epoch, and writes ``result.json``."""
        best = self.log.best(self.study_file.metric, self.study_file.mode)
        logged = {name: value for name, value in (best or {}).items() if name not in ("epoch", "seconds")}
        checkpoint = self.folder / BEST
        epochs, seconds = len(self.log.history), self.log.seconds_before + time.perf_counter() - self.began
        found = {
            "epochs": epochs,
            "seconds": round(seconds, 3),
            **self.usage.found(),
            "value": best and best[self.study_file.metric],
            "best_epoch": best and int(best["epoch"]),
            "checkpoint": f"{self.folder.name}/{BEST}" if checkpoint.exists() else None,
            "sha256": file_digest(checkpoint) if checkpoint.exists() else None,
        }
        if self.further is not None:
            found |= self.further.found(epochs, seconds)
        metrics = {**logged, **ending.get("metrics", {})}
        outcome = self.outcome.model_copy(update={**found, **ending, "metrics": metrics})
        write_json(self.folder / RESULT, outcome.model_dump(mode="json"))
        return outcome

    def _pause(self, measured: dict[str, float]) -> Pause | None:
        """When the fit pauses, and what happens then: in a pack, the trial waits in memory."""
        if self.until is None or self.context.wait is None:
            return None if self.until is None else Pause(self.until)
        return Pause(self.until, lambda trainer: self._wait(_ending(Fit.of(trainer, "paused"), measured)))

    def _wait(self, ending: EndingFields) -> int:
        """Records a pause, and waits until the trial continues; returns after how many epochs it pauses again."""
        assert self.context.wait is not None
        assert self.lock is not None
        assert self.guard is not None
        self.record(ending)
        paused = time.perf_counter()
        with self.lock.released():  # another process may continue the trial
            continuation = self.context.wait()
        self.began += time.perf_counter() - paused
        self.guard.attempt = continuation.attempt
        self.outcome = self.outcome.model_copy(update={"attempt": continuation.attempt})
        return continuation.until

    @property
    def _parent(self) -> str | None:
        """Whose checkpoint it begins from, in words; None: it begins untrained."""
        return None if self.start is None else f"trial {self.start.parent} after {self.start.epochs} epochs"

    def _is_infeasible(self, measured: dict[str, float], rank: Rank) -> bool:
        """Whether the model exceeds a constraint of the study; the first process tells Optuna by how much."""
        excesses = self.study_file.constraints.exceeded(measured)
        if rank.is_first:
            for name, excess in excesses.items():
                self.trial.set_constraint(name, excess)
        return any(excess > 0 for excess in excesses.values())


KINDS = {"pruned": Kind.PRUNED, "paused": Kind.PAUSED}
"""The kinds of endings by the reasons why a fit ended; all other fits are complete."""


def _ending(fitted: Fit, measured: dict[str, float]) -> EndingFields:
    return {
        "kind": KINDS.get(fitted.stop_reason, Kind.COMPLETE),
        "stop_reason": fitted.stop_reason,
        "metrics": measured,
        "device": fitted.device,
        "threads": fitted.threads,
        "epoch_seeds": fitted.epoch_seeds,
        "n_val": fitted.n_val,
    }
