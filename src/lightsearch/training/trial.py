"""One trial, from its sampled parameters to its outcome. The page to read; a worker process runs nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from optuna import Trial
from pytorch_lightning import Callback, seed_everything

from lightsearch.atomic_files import file_digest, write_json
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Interrupted, Kind, Outcome, as_raised, ending_of
from lightsearch.signals import EndAtOnce
from lightsearch.storage.worker_storage import History
from lightsearch.study.samplers import trial_seed
from lightsearch.study.worker_trial import attach_trial
from lightsearch.training import components, measures, several_devices
from lightsearch.training.checkpoint_files import BEST
from lightsearch.training.epoch_log import EPOCHS, EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.give_way import beside_measurements
from lightsearch.training.loggers import build_logger
from lightsearch.training.pruning import PruningCallback, watching
from lightsearch.training.rank import Rank
from lightsearch.training.worker_lock import AttemptGuard, sole_worker

BuildData = Callable[[StudyFile, dict[str, Any], str | None], Any]


class TrainerContext(NamedTuple):
    """Where a trial trains: alone, as it is made without arguments, or in a pack."""

    build_data: BuildData = components.build_data
    callbacks: Sequence[Callback] = ()


class _Told(NamedTuple):
    """Who hears how a trial goes; of its processes on further devices nobody does."""

    log: EpochLog
    callbacks: Sequence[Callback]
    trial: Trial | None
    """Optuna's."""


def run_trial(
    study_file: StudyFile,
    storage_url: str,
    trial_id: int,
    *,
    folder: Path,
    data_dir: str | None,
    attempt: int,
    history: History | None = None,
    place: TrainerContext | None = None,
) -> Outcome:
    """Trains one trial, or goes on with it from its last checkpoint, and writes what became of it.

    Args:
        study_file: The declared study.
        storage_url: Where the study is.
        trial_id: A running trial of it, its parameters sampled.
        folder: The trial's folder, which gets ``best.ckpt``, ``last.ckpt``, ``epochs.csv`` and ``result.json``.
        data_dir: Folder of the data files.
        attempt: Which start of the trial this is, from 1.
        history: What the pruner looks at, so that it need not be read; None: it is read.
        place: Its place in a pack; None: it trains alone.

    Returns:
        The outcome, whatever happened: an exception becomes a kind. Only a request to stop is raised again.
    """
    began = time.perf_counter()
    trial, newest_attempt = attach_trial(study_file, storage_url, trial_id, history)
    log = EpochLog(folder / EPOCHS)
    outcome = Outcome(
        number=trial.number,
        kind=Kind.COMPLETE,
        attempt=attempt,
        params=study_file.space.suggest(trial),
        seed=trial_seed(study_file.seed, trial.number),
    )
    place = place or TrainerContext()

    def train(rank: Rank) -> dict[str, Any]:
        if rank.number:  # it follows the first
            told = _Told(EpochLog(None), [watching(study_file, None)], None)
        else:
            told = _Told(
                log, [AttemptGuard(attempt, newest_attempt), watching(study_file, trial), *place.callbacks], trial
            )
        return _train(study_file, outcome, folder, data_dir, place.build_data, told, rank)

    def record(ending: dict[str, Any]) -> Outcome:
        return _write(folder, outcome, ending, study_file, log, began)

    with sole_worker(folder):
        try:
            ending = several_devices.run(study_file.devices(outcome.params), train, record)
        except BaseException as error:  # the one boundary: whatever happened to the trial is recorded here
            error = as_raised(error)
            ending = ending_of(error)
            if isinstance(error, Interrupted | EndAtOnce):
                raise error
        finally:
            written = record(ending)
    return written


def _train(
    study_file: StudyFile,
    outcome: Outcome,
    folder: Path,
    data_dir: str | None,
    build_data: BuildData,
    told: _Told,
    rank: Rank,
) -> dict[str, Any]:
    """Builds data and model from the sampled parameters and fits; says how that ended."""
    sampled = study_file.space.split(outcome.params)
    assert outcome.seed is not None
    seed_everything(outcome.seed, workers=True, verbose=False)
    data = build_data(study_file, sampled["data"], data_dir)
    model = components.build_model(study_file, sampled["model"], data)
    found = rank.agreed(lambda: measures.measure(study_file.measured, model, data))
    above = study_file.constraints.exceeded(found)
    if told.trial is not None:
        for name, excess in above.items():
            told.trial.set_constraint(name, excess)
    if any(excess > 0 for excess in above.values()):
        return {"kind": Kind.PRUNED, "stop_reason": "infeasible", "metrics": found}
    logger = build_logger(study_file.logger, study_file.name, folder)
    with beside_measurements("latency_ms" in found and not rank.number) as standing_still:
        fitted = fit(
            model,
            data,
            folder=folder,
            seed=outcome.seed,
            metric=study_file.metric,
            mode=study_file.mode,
            patience=study_file.trainer.patience,
            min_delta=study_file.trainer.min_delta,
            save_top_k=study_file.trainer.save_top_k,
            keywords={"logger": logger, **study_file.trainer.keywords, **sampled["trainer"]},
            log=told.log,
            callbacks=[*told.callbacks, *standing_still],
            rank=rank,
        )
    pruned = any(
        isinstance(callback, PruningCallback) and callback.pruned_epoch is not None for callback in told.callbacks
    )
    return {
        "kind": Kind.PRUNED if pruned else Kind.COMPLETE,
        "stop_reason": "pruned" if pruned else fitted.stop_reason,
        "metrics": found,
        "device": fitted.device,
        "threads": fitted.threads,
        "epoch_seeds": fitted.epoch_seeds,
        "n_val": fitted.n_val,
    }


def _write(
    folder: Path, outcome: Outcome, ending: dict[str, Any], study_file: StudyFile, log: EpochLog, began: float
) -> Outcome:
    """Completes the outcome with the best epoch and writes ``result.json``."""
    best = log.best(study_file.metric, study_file.mode)
    logged = {name: value for name, value in (best or {}).items() if name not in ("epoch", "seconds")}
    checkpoint = folder / BEST
    found = {
        "epochs": len(log.history),
        "seconds": round(log.seconds_before + time.perf_counter() - began, 3),
        "value": best and best[study_file.metric],
        "best_epoch": best and int(best["epoch"]),
        "checkpoint": f"{folder.name}/{BEST}" if checkpoint.exists() else None,
        "sha256": file_digest(checkpoint) if checkpoint.exists() else None,
    }
    metrics = {**logged, **ending.get("metrics", {})}
    outcome = outcome.model_copy(update={**found, **ending, "metrics": metrics})
    write_json(folder / "result.json", outcome.model_dump(mode="json"))
    return outcome
