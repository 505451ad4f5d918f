"""A trial of a calibration: a configuration, trained for a few steps as a trial of the search is, and forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, seed_everything
from pytorch_lightning.loggers import Logger

from lightsearch.compat.lightning_package import based_on, package_of_model
from lightsearch.compat.trainer import training_loaders, validation_loaders
from lightsearch.declare.study_file import StudyFile
from lightsearch.packs.data import SharedData
from lightsearch.training import components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.trial import TrainerContext

LOG_EVERY_N_STEPS = 2
"""So that a few steps show what reaches a logger."""


class CalibrationTrial:
    """A configuration that can be trained several times from the same start.

    Args:
        study_file: The declared study.
        params: The sampled parameters.
        data_dir: Folder of the data files.
        folder: Takes its checkpoints.
        seed: Its seed.
        epochs: How many it trains.
        steps: Batches of an epoch, and of a validation, at most.
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
        """Its module, once it has been built."""
        self.log = EpochLog(None)
        self.rows: list[tuple[int | None, dict[str, float]]] = []
        """What it wrote to a logger: (step, metrics)."""
        self.epoch_seeds: list[int] = []
        """Its epochs' seeds, if it trained in a pack."""
        self.start_seconds = 0.0
        """From its beginning to its first epoch, the first time that it trained."""
        self._data: SharedData | None = None

    def fit(self, place: TrainerContext | None = None, *, epoch_seeds: Sequence[int] = ()) -> None:
        """Trains it as ``trial.run_trial`` does.

        Args:
            place: Its place in a pack; None: it trains alone, with loaders of its own.
            epoch_seeds: Its epochs' seeds, where they are to be those of a pack.
        """
        began = time.perf_counter()
        study_file, sampled = self.study_file, self.study_file.space.split(self.params)
        seed_everything(self.seed, workers=True, verbose=False)
        if place is not None:
            data = place.build_data(study_file, sampled["data"], self.data_dir)
        else:
            if self._data is None:
                self._data = SharedData(components.build_data(study_file, sampled["data"], self.data_dir))
            data = self._data.copy(own_loaders=True)
        self.model = components.build_model(study_file, sampled["model"], data)
        self.log, self.rows = EpochLog(None), []
        keywords = {**study_file.trainer.keywords, **sampled["trainer"]}
        limits = {
            name: _at_most(keywords.get(name), self.steps) for name in ("limit_train_batches", "limit_val_batches")
        }
        keywords |= {**limits, "max_epochs": self.epochs, "min_epochs": None, "max_time": None}
        if study_file.logger is not None:
            keywords |= {"logger": _recorder(self.model, self.rows), "log_every_n_steps": LOG_EVERY_N_STEPS}
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.iterdir():
            left.unlink()
        fitted = fit(
            self.model,
            data,
            folder=self.folder,
            seed=self.seed,
            metric=study_file.metric,
            mode=study_file.mode,
            patience=0,
            keywords=keywords,
            log=self.log,
            callbacks=[
                Started(lambda: self._started(began)),
                self.start,
                self.stopwatch,
                *(place.callbacks if place is not None else ()),
            ],
            epoch_seeds=epoch_seeds,
        )
        self.epoch_seeds = fitted.epoch_seeds

    def _started(self, began: float) -> None:
        self.start_seconds = self.start_seconds or time.perf_counter() - began


class Started(Callback):
    """Says when training begins.

    Args:
        say: Called then.
    """

    def __init__(self, say: Callable[[], None]) -> None:
        self._say = say

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._say()


class Start(Callback):
    """Has a second fit start from the weights that the first one started from."""

    def __init__(self) -> None:
        self.nudge = 0.0
        """By what share weights are changed at random first: 1e-7 is the last bit of a float32."""
        self._state: dict[str, Any] | None = None

    def forget(self) -> None:
        """Lets the next fit start from where it would without this."""
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
    """The seconds that a trial's steps and validations take, alone, and how much longer whole epochs are.

    Args:
        keywords: The study's keyword arguments of the Trainer.
    """

    def __init__(self, keywords: dict[str, Any]) -> None:
        self.train = self.val = 0.0
        """Seconds of training batches (alone; a pack's are the host's to know), and of validations."""
        self.steps_ratio = self.val_ratio = 1.0
        """Batches of a whole epoch, and of a whole validation, for each that is trained or seen here."""
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
    """Keeps what is logged; on top of Lightning's Logger."""

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
    """A limit of batches that is a number of them stays one if it is smaller."""
    return min(limit, steps) if type(limit) is int else steps


def _ratio(loaders: Sequence[Any], limit: Any, seen: Sequence[Any]) -> float:
    """Batches that a study's loop has for each that is seen here; 1 where they cannot be counted."""
    try:
        whole = sum(
            min(len(loader), limit) if type(limit) is int else int(len(loader) * (1.0 if limit is None else limit))
            for loader in loaders
        )
        return max(float(whole) / float(sum(seen)), 1.0)
    except (TypeError, ZeroDivisionError, NotImplementedError):
        return 1.0
