"""Metrics of a checkpoint by plain Lightning, without lightsearch."""

from __future__ import annotations

import importlib
import logging
import warnings
from pathlib import Path
from typing import Any

from tests.other_people.case import Case

COPIES = ("pytorch_lightning", "lightning.pytorch")
HOOKS = ("prepare_data", "setup", "val_dataloader", "test_dataloader", "on_after_batch_transfer")
OF_FITTING = ("max_epochs", "max_steps", "val_check_interval", "check_val_every_n_epoch", "accumulate_grad_batches")


def find(path: str) -> Any:
    """A class by its import path."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def model(case: Case, params: dict[str, Any]) -> Any:
    """The module with a trial's parameters, as its author would write it."""
    return find(case.model)(**{name: params[name] for name in case.space.get("model", {})})


def data(case: Case, params: dict[str, Any]) -> Any:
    """The data module with a trial's parameters."""
    return find(case.data)(**case.init_args, **{name: params[name] for name in case.space.get("data", {})})


def metrics(
    stage: str, case: Case, params: dict[str, Any], checkpoint: Path | None, module: Any = None
) -> dict[str, float]:
    """Metrics that a Trainer's ``validate`` or ``test`` logs, of all loaders.

    Args:
        stage: ``validate`` or ``test``.
        case: The case, with its module and data.
        params: A trial's parameters.
        checkpoint: Loaded by the Trainer before.
        module: The module to use; None: it is built from the parameters.
    """
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    keywords = {key: value for key, value in case.trainer.items() if key not in OF_FITTING}
    module = module or model(case, params)
    copy, samples = _copy_of(module), data(case, params)
    for name in COPIES:  # now that both are imported, which sets it
        logging.getLogger(name).setLevel(logging.ERROR)
    if _copy_of(samples) is not copy:
        samples = _of_the_other(copy, samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = copy.Trainer(accelerator="cpu", **quiet, **keywords)
        run = getattr(trainer, stage)
        found = run(module, datamodule=samples, ckpt_path=checkpoint, verbose=False, weights_only=False)
    return {name: value for of_loader in found for name, value in of_loader.items()}


def _copy_of(instance: Any) -> Any:
    """The copy of Lightning that a module or a data module derives from."""
    bases = [base.__module__ for base in type(instance).__mro__]
    return importlib.import_module(next(copy for copy in COPIES if any(base.startswith(f"{copy}.") for base in bases)))


def _of_the_other(copy: Any, samples: Any) -> Any:
    """A data module of ``copy`` with the hooks of ``samples``, which is of the other copy: no Trainer takes both."""
    made = copy.LightningDataModule()
    for hook in HOOKS:
        setattr(made, hook, getattr(samples, hook))
    return made
