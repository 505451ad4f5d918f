"""A trained model, built again as its trial built it, with the weights of its checkpoint.

The constructor's arguments come from the study, not from the checkpoint: a module need not save its hyperparameters.
"""

from __future__ import annotations

import contextlib
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
    """The LightningDataModule that it was built with."""
    arguments: dict[str, Any]
    """The model's constructor arguments."""
    checkpoint: Path
    """The file of its weights."""


def rebuild(
    study_file: StudyFile, outcome: Outcome, folder: Path, data_dir: str | None, *, join_val: bool = False
) -> Rebuilt:
    """Builds the model of a trial or a run from its recorded outcome, and loads its weights strictly.

    The caller's random numbers do not change.

    Args:
        study_file: The declared study.
        outcome: The recorded outcome: parameters, seed, checkpoint.
        folder: The folder that ``outcome.checkpoint`` is relative to.
        data_dir: Folder of the data files.
        join_val: Whether it was trained on the validation samples as well.

    Raises:
        UserError: if the checkpoint is missing, damaged or of another model, or the data cannot be loaded.
    """
    from lightsearch.training import components, safe_loading
    from lightsearch.training.quiet import quiet
    from lightsearch.training.seeding import keep_random_state, seed_generators

    quiet()
    checkpoint = whole_checkpoint(folder, outcome)
    with keep_random_state():
        seed = outcome.seed or 0  # what a constructor draws and does not save is what it drew in the trial
        built = components.build(
            study_file, outcome.params, data_dir, seed=seed, join_val=join_val, with_callbacks=False
        )
        seed_generators(seed)
        try:
            _load(built.model, built.data, checkpoint, built.trainer_keywords)
        except safe_loading.NotLoadable as error:
            raise UserError(Mistake("checkpoint", str(checkpoint), str(error))) from error
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            hint = f"does not fit {type(built.model).__name__}; has the class changed since? ({_first_line(error)})"
            raise UserError(Mistake("checkpoint", str(checkpoint), hint)) from error
    return Rebuilt(built.model.eval(), built.data, built.model_arguments, checkpoint)


def whole_checkpoint(folder: Path, outcome: Outcome) -> Path:
    """The outcome's checkpoint.

    Raises:
        UserError: if it is missing, or its digest differs from the recorded one.
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
    """Loads the weights as Lightning does when a trial resumes from this checkpoint."""
    from lightsearch.compat.lightning_package import overrides
    from lightsearch.training import safe_loading
    from lightsearch.training.resume import match_precision

    state = safe_loading.load(checkpoint)
    match_precision(model, state["state_dict"])
    if overrides(model, "setup") or overrides(model, "configure_model"):
        _restore_in_trainer(model, data, checkpoint, keywords)  # these hooks may make layers, and use the Trainer
    else:
        model.on_load_checkpoint(state)
        model.load_state_dict(state["state_dict"], strict=model.strict_loading)


class _Restored(Exception):
    """The weights are loaded; the fit ends before it trains."""


class _StopOnceRestored:
    """Mixin for Lightning's ``Callback``: ends a fit before it trains."""

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:  # noqa: ARG002
        raise _Restored

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        raise _Restored


def _restore_in_trainer(model: Any, data: Any, checkpoint: Path, keywords: dict[str, Any]) -> None:
    """Runs a fit up to the point where the hooks have made layers and the weights are loaded."""
    from lightsearch.compat.lightning_package import based_on, data_for, package_of_model
    from lightsearch.training.trainer import loading_weights_only, make_trainer

    lightning = package_of_model(model)
    on_cpu = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": None, "enable_checkpointing": False}
    callback = based_on(lightning.callbacks.Callback, _StopOnceRestored)()
    trainer = make_trainer(lightning, {**keywords, **on_cpu}, checkpoint.parent, [callback])
    with loading_weights_only(), contextlib.suppress(_Restored):
        trainer.fit(model, datamodule=data_for(lightning, data), ckpt_path=str(checkpoint), weights_only=True)
    model.trainer = None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200] if lines else type(error).__name__
