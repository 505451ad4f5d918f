"""A trained model again: built as its trial built it, with the weights of its checkpoint.

Neither the trial nor this asks the checkpoint how to build the model: a module need not save its hyperparameters.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lightsearch.atomic_files import file_digest
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import Outcome


class Rebuilt(NamedTuple):
    """A trained model."""

    model: Any
    """The LightningModule, on the CPU, in evaluation mode."""
    data: Any
    """The LightningDataModule that it was built for."""
    arguments: dict[str, Any]
    """The model's constructor arguments."""
    checkpoint: Path
    """Where its weights come from."""


def rebuild(
    study_file: StudyFile,
    outcome: Outcome,
    folder: Path,
    data_dir: str | None,
    build_data: Callable[[StudyFile, dict[str, Any], str | None], Any] | None = None,
) -> Rebuilt:
    """Builds the model of a trial or a run from what was recorded of it, and loads its weights strictly.

    The random numbers of the caller are left as they are.

    Args:
        study_file: The declared study.
        outcome: What became of the trial: its parameters, its seed, its checkpoint.
        folder: The folder that ``outcome.checkpoint`` is relative to.
        data_dir: Folder of the data files.
        build_data: Builds the data; None: as a trial does.

    Raises:
        UserError: if the checkpoint is missing, damaged or not that of this model, or the data cannot be had.
    """
    import torch
    from pytorch_lightning.utilities.seed import isolate_rng

    from lightsearch.declare import classes
    from lightsearch.training import components, safe_loading
    from lightsearch.training.trainer import quiet

    quiet()
    checkpoint = whole_checkpoint(folder, outcome)
    sampled = study_file.space.split(outcome.params)
    with isolate_rng(include_cuda=bool(torch.cuda.is_initialized())):  # type: ignore[no-untyped-call]
        _seed(outcome.seed)  # what a constructor draws and does not save is what it drew in the trial
        data = (build_data or components.build_data)(study_file, sampled["data"], data_dir)
        arguments = components.model_arguments(study_file, sampled["model"], data)
        model: Any = classes.find_class(study_file.model, "model")(**arguments)
        _seed(outcome.seed)
        try:
            _load(model, data, checkpoint, {**study_file.trainer.keywords, **sampled["trainer"]})
        except safe_loading.NotLoadable as error:
            raise UserError(Mistake("checkpoint", str(checkpoint), str(error))) from error
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            hint = f"does not fit {type(model).__name__}; has the class changed since? ({_first_line(error)})"
            raise UserError(Mistake("checkpoint", str(checkpoint), hint)) from error
    return Rebuilt(model.eval(), data, arguments, checkpoint)


def whole_checkpoint(folder: Path, outcome: Outcome) -> Path:
    """The outcome's checkpoint.

    Raises:
        UserError: if it is missing, or not what was written.
    """
    again = f"train trial {outcome.number} again with a new study (--name)"
    if outcome.checkpoint is None:
        hint = f"trial {outcome.number} has none; those of the best trials are kept (keep_top_k). Name one of them, or"
        raise UserError(Mistake("checkpoint", None, f"{hint} {again}"))
    checkpoint, way_out = folder / outcome.checkpoint, f"put it back, or {again}"
    if not checkpoint.is_file():
        raise UserError(Mistake("checkpoint", str(checkpoint), f"is missing; {way_out}"))
    if file_digest(checkpoint) != outcome.sha256:
        raise UserError(Mistake("checkpoint", str(checkpoint), f"is damaged: its sha256 has changed; {way_out}"))
    return checkpoint


def _load(model: Any, data: Any, checkpoint: Path, keywords: dict[str, Any]) -> None:
    """Loads the weights, as Lightning does when a trial goes on from this checkpoint."""
    from lightsearch.compat.lightning_package import overrides
    from lightsearch.training import safe_loading
    from lightsearch.training.fit import take_precision

    state = safe_loading.load(checkpoint)
    take_precision(model, state["state_dict"])
    if overrides(model, "setup") or overrides(model, "configure_model"):
        _restore_in_trainer(model, data, checkpoint, keywords)  # these hooks may make layers, and look at the Trainer
    else:
        model.on_load_checkpoint(state)
        model.load_state_dict(state["state_dict"], strict=model.strict_loading)


class _Restored(Exception):
    """The weights are loaded; nothing shall be trained."""


class _StopOnceRestored:
    """Ends a fit before it begins."""

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:  # noqa: ARG002
        raise _Restored

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        raise _Restored


def _restore_in_trainer(model: Any, data: Any, checkpoint: Path, keywords: dict[str, Any]) -> None:
    """Goes as far into a fit as is needed: the hooks that may make layers, then the weights."""
    from lightsearch.compat.lightning_package import based_on, data_for, package_of_model
    from lightsearch.training.trainer import make_trainer, weights_alone

    lightning = package_of_model(model)
    alone = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": None, "enable_checkpointing": False}
    callback = based_on(lightning.callbacks.Callback, _StopOnceRestored)()
    trainer = make_trainer(lightning, {**keywords, **alone}, checkpoint.parent, [callback])
    with weights_alone(), contextlib.suppress(_Restored):
        trainer.fit(model, datamodule=data_for(lightning, data), ckpt_path=str(checkpoint), weights_only=True)
    model.trainer = None


def _seed(seed: int | None) -> None:
    """Seeds as Lightning's ``seed_everything`` does, and leaves the environment alone."""
    import numpy as np
    import torch

    if seed is not None:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200] if lines else type(error).__name__
