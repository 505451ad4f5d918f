"""One training batch and one validation batch of a configuration, through the fit of a trial."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback

from lightsearch.compat import logged
from lightsearch.compat.lightning_package import package_of_model
from lightsearch.compat.trainer import validation_loaders
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.preflight.callbacks import field_of
from lightsearch.preflight.missing_hooks import missing_hooks
from lightsearch.preflight.missing_metric import why_missing
from lightsearch.training import components, measures
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.warm_start import WarmStart


def probe(
    study_file: StudyFile, params: dict[str, Any], data_dir: str | None, folder: Path, *, whole: bool
) -> list[str]:
    """Trains one batch of a configuration and validates, as its trial would.

    Args:
        study_file: The declared study.
        params: The configuration.
        data_dir: Folder of the data files.
        folder: Receives the checkpoints.
        whole: Whether to validate on all batches of a trial's validation, or on one.

    Returns:
        Notes, one line each.

    Raises:
        UserError: mistakes of the study, one line each.
        Exception: exceptions of the user's own code.
    """
    built = components.build(study_file, params, data_dir, seed=study_file.seed)
    if missing := missing_hooks(study_file, built.model, built.data):
        raise UserError(*missing)
    measures.measure(study_file.measured, built.model, built.data)
    watch = Probe(study_file, built.trainer_keywords, folder)
    keywords = shortened(built.trainer_keywords, study_file, package_of_model(built.model), whole=whole)
    fit(
        replace(built, trainer_keywords=keywords),
        replace(WithValidation.of(study_file), save_top_k=1),
        folder=folder,
        log=EpochLog(None),
        callbacks=[watch],
    )
    if not watch.trained:
        hint = "its train_dataloader yields no batch; is there data, and does drop_last leave any?"
        raise UserError(Mistake(*study_file.loaders_key, hint))
    if watch.mistakes:
        raise UserError(*watch.mistakes)
    return watch.notes + _left_out(study_file, built.callbacks)


class Probe(Callback):
    """Ends a fit after its first step and a validation, and checks what a search needs of them.

    Args:
        study_file: The declared study.
        keywords: Keyword arguments of the Trainer of a trial.
        folder: The folder of the fit.
    """

    def __init__(self, study_file: StudyFile, keywords: dict[str, Any], folder: Path) -> None:
        self.mistakes: list[Mistake] = []
        self.notes: list[str] = []
        self.trained = False
        """Whether there was a training batch."""
        self._study_file = study_file
        self._keywords = keywords
        self._folder = folder
        self._validated = False
        self._missing: list[str] = []

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        for one, given in their_folders(trainer):
            folder, theirs = self._folder.resolve(), Path(given).resolve()
            if theirs == folder:
                hint = "its ModelCheckpoint writes into the trial's own folder; leave dirpath out, or name one in it"
                raise UserError(Mistake(*(field_of(one, self._study_file) or self._study_file.model_key), hint))
            if folder in theirs.parents:
                continue
            self.notes.append(f"note: a ModelCheckpoint writes to {given}, which all trials share")
            one.dirpath = str(self._folder / "checkpoints")  # the files of a dry run are deleted

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        self.trained = True
        if batch_idx + 1 < trainer.accumulate_grad_batches:
            return
        trainer.should_stop = True  # validates at once
        steps = trainer.global_step if not pl_module.automatic_optimization else 1 / trainer.accumulate_grad_batches
        self.mistakes += _check_steps(trainer, self._keywords, steps)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        limit = self._keywords.get("limit_val_batches")
        for loader in validation_loaders(trainer):
            if isinstance(limit, float) and (n := _length(loader)) is not None and 0 < limit * n < 1:
                hint = f"leaves none of a validation's {n} batches; write at least {math.ceil(100 / n) / 100:g}"
                self.mistakes.append(Mistake("trainer.limit_val_batches", limit, hint))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        self._validated = True
        found = logged.in_validation(trainer)
        self._missing = [name for name in self._study_file.logged if name not in found]
        for name in self._missing:  # the epoch runs to its end, where more mistakes show
            trainer.callback_metrics[name] = torch.zeros((), device=pl_module.device)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not self._validated:
            hint = "its val_dataloader yields no batch; is there data, and does drop_last leave any?"
            raise UserError(Mistake(*self._study_file.loaders_key, hint))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        twice = logged.ever_in_training(trainer, whole_epochs=True)
        for name in self._study_file.logged:
            if name in self._missing:
                self.mistakes.append(Mistake("metric", name, why_missing(name, trainer)))
            elif name in twice:
                hooks = ", ".join(sorted(twice[name]))
                hint = (
                    f"is logged in training as well ({hooks}), which takes its place at the end of an epoch; "
                    "give one of them another name"
                )
                self.mistakes.append(Mistake("metric", name, hint))


def their_folders(trainer: Any) -> list[tuple[Any, str]]:
    """The user's checkpoint callbacks, each with the folder that it names."""
    named = [(one, getattr(one, "dirpath", None)) for one in trainer.checkpoint_callbacks]
    return [
        (one, folder)
        for one, folder in named
        if folder is not None and not type(one).__module__.startswith("lightsearch.")
    ]


def _left_out(study_file: StudyFile, callbacks: list[Any]) -> list[str]:
    """Notes on weights of ``init_from`` and on callbacks that a trial does not have."""
    names = {type(one).__name__ for one in callbacks}
    bars = [one.class_path for one in study_file.callbacks if one.class_path.rpartition(".")[2] not in names]
    weights = [one.left_out for one in callbacks if isinstance(one, WarmStart) and one.left_out is not None]
    return [
        *(f"note: init_from leaves weights out: {one}" for one in weights),
        *(f"note: trials train without {one}: a search has a display of its own" for one in bars),
    ]


def shortened(keywords: dict[str, Any], study_file: StudyFile, lightning: Any, *, whole: bool) -> dict[str, Any]:
    """A trial's keyword arguments of the Trainer, for one batch.

    Arguments such as ``max_epochs`` keep their values, because learning-rate schedules may be computed from them:
    ``Probe`` ends the fit. Arguments that would delay the end, or write or print something, are removed.
    """
    kept = {name: value for name, value in keywords.items() if name not in ("profiler", "min_steps", "logger")}
    overfit = kept.pop("overfit_batches", 0)
    if overfit:
        kept["limit_train_batches"] = overfit
    if not whole:
        kept["limit_val_batches"] = 1
    if kept.get("check_val_every_n_epoch", 1) is not None:
        kept["check_val_every_n_epoch"] = 1
    if study_file.logger is not None or keywords.get("logger") is True:  # it would start a run
        kept["logger"] = lightning.loggers.logger.DummyLogger()
    return {
        **kept,
        "min_epochs": 0,
        "devices": 1,
        "num_sanity_val_steps": 1 if keywords.get("num_sanity_val_steps") else 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }


def _check_steps(trainer: Any, keywords: dict[str, Any], steps_per_batch: float) -> list[Mistake]:
    """Whether ``max_steps`` ends training before the first validation.

    Args:
        trainer: A Trainer in its first epoch.
        keywords: A trial's keyword arguments.
        steps_per_batch: Number of optimizer steps per batch.
    """
    n, every = trainer.num_training_batches, keywords.get("check_val_every_n_epoch", 1)
    most, at = trainer.max_steps, trainer.val_check_batch
    if most is None or most < 0 or not steps_per_batch or at is None:
        return []
    first = at if every is None or at < n else n * every
    if math.isinf(first):
        return []
    if every is not None and first >= n:
        needed = math.ceil(n * steps_per_batch) * every
    else:
        needed = math.ceil(first * steps_per_batch)
    if most >= needed:
        return []
    hint = f"ends a trial before its first validation, after {first} batches; write at least {needed}"
    return [Mistake("trainer.max_steps", most, hint)]


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None
