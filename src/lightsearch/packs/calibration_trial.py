"""A trial of a calibration: a configuration, trained for a few steps as in a trial of the search."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger

from lightsearch.compat.lightning_package import based_on, package_of_model
from lightsearch.compat.trainer import training_loaders, validation_loaders
from lightsearch.declare.study_file import StudyFile
from lightsearch.packs.data import SharedData
from lightsearch.training import components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.trial import PackContext

LOG_EVERY_N_STEPS = 2
"""Small, so that a few steps reach the logger."""


class CalibrationTrial:
    """A configuration that can be trained several times from the same start.

    Args:
        study_file: The declared study.
        params: The sampled parameters.
        data_dir: Folder of the data files.
        folder: Receives its checkpoints.
        seed: Its seed.
        epochs: Number of epochs to train.
        steps: Maximum number of batches per epoch and per validation.
    """

    def __init__(
        self,
        study_file: StudyFile,
        params: dict[str, Any],
        data_dir: str | None,
        folder: Path,
        *,
        seed: int,
        epochs: int,
        steps: int,
    ) -> None:
        self.study_file, self.params, self.data_dir, self.folder = study_file, params, data_dir, folder
        self.seed, self.epochs, self.steps = seed, epochs, steps
        self.stopwatch = Stopwatch(study_file.trainer.keywords)
        self.start = Start()
        self.model: Any = None
        """Its module, once it is built."""
        self.log = EpochLog(None)
        self.rows: list[tuple[int | None, dict[str, float]]] = []
        """What it logged to a logger: (step, metrics)."""
        self.epoch_seeds: list[int] = []
        """The seed of each epoch, if it trained in a pack."""
        self.start_seconds = 0.0
        """Seconds from its start to its first epoch, in its first fit."""
        self._data: SharedData | None = None

    def fit(self, context: PackContext | None = None, *, epoch_seeds: Sequence[int] = ()) -> None:
        """Trains the configuration as ``trial.run_trial`` does.

        Args:
            context: The pack that it trains in; None: it trains in no pack, with loaders of its own.
            epoch_seeds: Seeds of its epochs, to repeat a trial of a pack.
        """
        began = time.perf_counter()
        context = context or PackContext(self._own_data)
        built = components.build(
            self.study_file, self.params, self.data_dir, seed=self.seed, make_data=context.build_data
        )
        self.model, self.log, self.rows = built.model, EpochLog(None), []
        shutil.rmtree(self.folder, ignore_errors=True)  # callbacks of the user may have made folders in it
        self.folder.mkdir(parents=True)
        fitted = fit(
            replace(built, trainer_keywords=self._shortened(built.trainer_keywords)),
            WithValidation(self.study_file.metric, self.study_file.mode),
            folder=self.folder,
            log=self.log,
            callbacks=[Started(lambda: self._started(began)), self.start, self.stopwatch, *context.callbacks],
            epoch_seeds=epoch_seeds,
        )
        self.epoch_seeds = fitted.epoch_seeds

    def _own_data(self, study_file: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> Any:
        """The study's data, read once for all fits of this configuration."""
        if self._data is None:
            self._data = SharedData(components.build_data(study_file, sampled, data_dir))
        return self._data.copy(own_loaders=True)

    def _shortened(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """A trial's keyword arguments of the Trainer, for a few steps of a few epochs."""
        limits = {
            name: _at_most(keywords.get(name), self.steps) for name in ("limit_train_batches", "limit_val_batches")
        }
        keywords = {**keywords, **limits, "max_epochs": self.epochs, "min_epochs": None, "max_time": None}
        if self.study_file.logger is not None:
            keywords |= {"logger": _recorder(self.model, self.rows), "log_every_n_steps": LOG_EVERY_N_STEPS}
        return keywords

    def _started(self, began: float) -> None:
        self.start_seconds = self.start_seconds or time.perf_counter() - began


class Started(Callback):
    """Calls a function when training begins.

    Args:
        begin: The function.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._begin()


class Start(Callback):
    """Makes later fits start from the weights that the first fit started from."""

    def __init__(self) -> None:
        self.nudge = 0.0
        """Scale of a random relative change of the weights at the start: 1e-7 is the last bit of a float32."""
        self._state: dict[str, Any] | None = None

    def forget(self) -> None:
        """Makes the next fit start from its own weights."""
        self._state = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self._state is None:
            self._state = {name: _copied(value) for name, value in pl_module.state_dict().items()}
            return
        pl_module.load_state_dict(self._state)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weights in pl_module.parameters():
                noise = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
                weights.mul_((1 + self.nudge * noise).to(weights))


class Stopwatch(Callback):
    """Measures the seconds of a trial's steps and validations in no pack, and how much longer whole epochs are.

    Args:
        keywords: The study's keyword arguments of the Trainer.
    """

    def __init__(self, keywords: dict[str, Any]) -> None:
        self.train = self.val = 0.0
        """Seconds of training batches (in no pack; the host measures those of a pack), and of validations."""
        self.steps_ratio = self.val_ratio = 1.0
        """Number of batches of a whole epoch, and of a whole validation, per batch of this calibration."""
        self._keywords = keywords
        self._began: float | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        loaders = training_loaders(trainer)
        self.steps_ratio = _ratio(loaders, self._keywords.get("limit_train_batches"), [trainer.num_training_batches])

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if batch_idx == 0:
            self._began = time.perf_counter()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        now = time.perf_counter()
        if self._began is not None:
            self.train += now - self._began
        loaders = validation_loaders(trainer)
        self.val_ratio = _ratio(loaders, self._keywords.get("limit_val_batches"), trainer.num_val_batches)
        self._began = now

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self._began is not None:
            self.val += time.perf_counter() - self._began
        self._began = None


class _Recorder:
    """Mixin for Lightning's ``Logger``: collects what is logged."""

    name = version = ""

    def __init__(self, rows: list[tuple[int | None, dict[str, float]]]) -> None:
        super().__init__()
        self._rows = rows

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._rows.append((step, metrics))

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass


def _recorder(model: Any, rows: list[tuple[int | None, dict[str, float]]]) -> Logger:
    recorder: Logger = based_on(package_of_model(model).loggers.Logger, _Recorder)(rows)
    return recorder


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _at_most(limit: Any, steps: int) -> Any:
    """The limit of batches, if it is a smaller number of batches; otherwise ``steps``."""
    return min(limit, steps) if type(limit) is int else steps


def _ratio(loaders: Sequence[Any], limit: Any, seen: Sequence[Any]) -> float:
    """Number of batches of the study's loop per batch of this calibration; 1 if they cannot be counted."""
    try:
        whole = sum(
            min(len(loader), limit) if type(limit) is int else int(len(loader) * (1.0 if limit is None else limit))
            for loader in loaders
        )
        return max(float(whole) / float(sum(seen)), 1.0)
    except (TypeError, ZeroDivisionError, NotImplementedError):
        return 1.0
