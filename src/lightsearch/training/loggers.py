"""Lightning's loggers: one run per trial, named after the trial."""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from lightsearch.compat.hyperparameters import log_no_hyperparameters
from lightsearch.compat.lightning_package import based_on
from lightsearch.declare import classes
from lightsearch.declare.sections import ClassSpec
from lightsearch.training.components import instantiate

PACKAGES = {
    "TensorBoardLogger": ("tensorboard", "tensorboardX"),
    "WandbLogger": ("wandb",),
    "MLFlowLogger": ("mlflow",),
    "CometLogger": ("comet_ml",),
    "NeptuneLogger": ("neptune",),
}
"""Packages that Lightning's loggers need in addition to Lightning; one of them is enough."""


def missing_package(cls: type) -> str | None:
    """The package that has to be installed for a logger; None: nothing is missing.

    The logger is not built to find out, because some start a run on a server when they are built.
    """
    for base in cls.__mro__:
        needed = PACKAGES.get(base.__name__, ())
        if needed and not any(find_spec(package) for package in needed):
            return needed[0].replace("_", "-")
    return None


def no_logger(lightning: ModuleType, folder: Path) -> Any:
    """A logger that stores nothing, for studies without a logger.

    Modules may use ``self.logger``, because Lightning's default Trainer always has a logger, and callbacks such as
    ``LearningRateMonitor`` may need one.

    Args:
        lightning: The package that the model derives from.
        folder: The folder that modules see as ``logger.save_dir``.
    """
    return based_on(lightning.loggers.logger.DummyLogger, _StoresNothing)(folder)


class _StoresNothing:
    """Mixin for Lightning's ``DummyLogger``, which accepts any call."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = str(folder)

    @property
    def save_dir(self) -> str:
        return self._folder

    @property
    def log_dir(self) -> str:
        return self._folder


def hyperparameters_once(lightning: ModuleType) -> Any:
    """A callback that keeps Lightning from refusing a model and data that save different values under one name.

    The values differ if the argument is sampled for one of them only. Loggers get the model's hyperparameters then.

    Args:
        lightning: The package that the model derives from.
    """
    return based_on(lightning.callbacks.Callback, _HyperparametersOnce)()


class _HyperparametersOnce:
    """Mixin for Lightning's ``Callback``."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        data = trainer.datamodule
        if data is not None and pl_module.hparams_initial.keys() & data.hparams_initial.keys():
            log_no_hyperparameters(data)


def build_logger(spec: ClassSpec | None, study: str, folder: Path) -> Any:
    """Builds the logger of one trial; returns False, Lightning's value for no logger, if the study has none.

    Arguments that the study file does not give are filled in by their names in Lightning's loggers: TensorBoard and CSV
    write NAME/VERSION in a folder, Weights & Biases has a project and a name, MLflow an experiment and a run.

    Args:
        spec: The logger of the study file.
        study: The study's name.
        folder: The trial's folder.
    """
    if spec is None:
        return False
    cls = classes.find_class(spec, "logger")
    accepted = inspect.signature(cls).parameters
    names = {"save_dir": str(folder), "experiment_name": study, "run_name": folder.name, "project": study}
    if "project" in accepted:
        names["name"] = folder.name
    else:
        names |= {"name": study, "version": folder.name}
    return instantiate(cls, spec.init_args, names, "logger")
