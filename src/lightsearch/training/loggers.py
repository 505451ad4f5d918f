"""Lightning's own loggers, one run a trial, named after it."""

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
from lightsearch.training.components import build

PACKAGES = {
    "TensorBoardLogger": ("tensorboard", "tensorboardX"),
    "WandbLogger": ("wandb",),
    "MLFlowLogger": ("mlflow",),
    "CometLogger": ("comet_ml",),
    "NeptuneLogger": ("neptune",),
}
"""What Lightning's loggers need besides Lightning, one of each."""


def missing_package(cls: type) -> str | None:
    """What has to be installed for a logger. It is not built to see that: some begin a run then, on a server."""
    for base in cls.__mro__:
        needed = PACKAGES.get(base.__name__, ())
        if needed and not any(find_spec(package) for package in needed):
            return needed[0].replace("_", "-")
    return None


def no_logger(lightning: ModuleType, folder: Path) -> Any:
    """What takes a logger's place where there is none, and keeps nothing.

    Modules may use ``self.logger`` as they do with Lightning's default Trainer, which always has one, and callbacks
    (``LearningRateMonitor``) may ask for it.

    Args:
        lightning: The copy of Lightning that the model is of.
        folder: What a module is told that logs are in.
    """
    return based_on(lightning.loggers.logger.DummyLogger, _KeepsNothing)(folder)


class _KeepsNothing:
    """On top of Lightning's logger that takes any call."""

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
    """A callback that keeps Lightning from refusing a model and data that save two values under one name.

    What is sampled for one of them alone differs. To loggers the model's hyperparameters count then.

    Args:
        lightning: The copy of Lightning that the model is of.
    """
    return based_on(lightning.callbacks.Callback, _HyperparametersOnce)()


class _HyperparametersOnce:
    """On top of Lightning's callback."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        data = trainer.datamodule
        if data is not None and pl_module.hparams_initial.keys() & data.hparams_initial.keys():
            log_no_hyperparameters(data)


def build_logger(spec: ClassSpec | None, study: str, folder: Path) -> Any:
    """The logger of one trial; False, Lightning's word for none, if the study has none.

    Whatever the study file does not say is filled in by the names that Lightning's loggers have for it: TensorBoard and
    CSV keep NAME/VERSION in a folder, Weights & Biases has a project and a name, MLflow an experiment and a run.

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
    return build(cls, spec.init_args, names, "logger")
