"""A rehearsed pause: whether a trial that pauses goes on as one that does not.

A checkpoint holds the weights, and what the module and its callbacks save. A counter in ``self`` that a training step
increases is in no checkpoint: in a trial that pauses, it would begin again with each start.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule

from lightsearch.compat.lightning_package import NAMES, package_of_model
from lightsearch.declare.study_file import StudyFile
from lightsearch.paths import LAST
from lightsearch.preflight.probe import shortened, their_folders
from lightsearch.training import components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.stopping import Pause

BATCHES = 2
"""Batches of each of the two epochs."""

TOLERANCE = 1e-3
"""Relative difference of real numbers that is none: on a GPU, not every sum is repeated to the bit."""

NOT_THEIRS = {*vars(LightningModule()), *vars(LightningDataModule()), *vars(torch.nn.Module()), "_forward_cache"}
"""Attributes that Lightning and torch keep for themselves."""

ONLY_WATCH = {
    *("LearningRateMonitor", "DeviceStatsMonitor", "ThroughputMonitor"),
    *("TQDMProgressBar", "RichProgressBar", "ModelSummary", "RichModelSummary"),
}
"""Callbacks of Lightning's own that remember what they have shown: nothing follows from it."""

Value = bool | int | float | str | torch.Tensor


def lost_in_pause(study_file: StudyFile, params: dict[str, Any], data_dir: str | None, folder: Path) -> str | None:
    """Trains two short epochs of a configuration at once, and again with a pause after the first, and compares.

    Args:
        study_file: The declared study.
        params: The configuration.
        data_dir: Folder of the data files.
        folder: Receives the checkpoints.

    Returns:
        What a pause would change, in words; None: nothing.
    """
    once, paused = folder / "once", folder / "paused"
    paused.mkdir(parents=True)
    whole = _train(study_file, params, data_dir, once, copy_to=paused)
    different = _different(whole, _train(study_file, params, data_dir, paused))
    if different:  # what differs from run to run, such as a time, tells nothing
        shutil.rmtree(once)
        different -= _different(whole, _train(study_file, params, data_dir, once))
    if not different:
        return None
    attributes = sorted((name for name in different if " " not in name), key=lambda name: ("._" in name, name))
    if attributes:
        hint = "save it in on_save_checkpoint and load it in on_load_checkpoint"
        return f"{attributes[0]} changes in training and is in no checkpoint ({hint})"
    return f"after a pause, {min(different)} is another one"


def _train(
    study_file: StudyFile, params: dict[str, Any], data_dir: str | None, folder: Path, copy_to: Path | None = None
) -> dict[str, Value]:
    """Trains up to the end of the second epoch, from the folder's checkpoint if there is one.

    Args:
        study_file: The declared study.
        params: The configuration.
        data_dir: Folder of the data files.
        folder: Receives the checkpoints.
        copy_to: Receives the checkpoint after the first epoch; None: nothing does.

    Returns:
        What there is then, by name: weights, logged values, and the plain attributes of model, data and callbacks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    built, log = components.build(study_file, params, data_dir, seed=study_file.seed), EpochLog(None)

    def go_on(trainer: Any) -> int | None:
        if copy_to is None or trainer.current_epoch > 0:
            return None
        shutil.copy(folder / LAST, copy_to / LAST)
        return 2

    keywords = shortened(built.trainer_keywords, study_file, package_of_model(built.model), whole=False)
    fit(
        replace(built, trainer_keywords={**keywords, "limit_train_batches": BATCHES, "num_sanity_val_steps": 0}),
        replace(WithValidation.of(study_file, Pause(1 if copy_to else 2, go_on)), patience=0, save_top_k=1),
        folder=folder,
        log=log,
        callbacks=[_OwnFolder(folder)],
    )
    found: dict[str, Value] = {f"weight {name}": value for name, value in _tensors(built.model.state_dict())}
    for row in log.history:
        found |= {f"{name} of epoch {row['epoch'] + 1:.0f}": value for name, value in row.items() if name != "seconds"}
    found |= dict(_attributes(built.model))
    for part in (built.data, *built.callbacks):
        if part is not built.model and not _only_watches(part):
            found |= dict(_plain(vars(part), type(part).__name__))
    return found


def _only_watches(part: object) -> bool:
    cls = type(part)
    return cls.__name__ in ONLY_WATCH and cls.__module__.startswith(NAMES)


class _OwnFolder(Callback):
    """Keeps the files of the user's own checkpoint callbacks in the folder of the fit.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        for one, _ in their_folders(trainer):
            one.dirpath = str(self._folder / "checkpoints")


def _attributes(model: Any) -> Iterator[tuple[str, Value]]:
    """The plain attributes of a module and of the modules in it, metrics for example."""
    name = type(model).__name__
    for path, module in model.named_modules():
        yield from _plain(vars(module), f"{name}.{path}" if path else name)


def _plain(attributes: Any, name: str) -> Iterator[tuple[str, Value]]:
    """What can be compared of attributes, by name, at any depth of lists and dictionaries."""
    if isinstance(attributes, dict):
        for key, value in attributes.items():
            if key not in NOT_THEIRS:
                yield from _plain(value, f"{name}.{key}")
    elif isinstance(attributes, list | tuple):
        yield name, len(attributes)
        for index, value in enumerate(attributes):
            yield from _plain(value, f"{name}[{index}]")
    elif isinstance(attributes, bool | int | float | str | torch.Tensor):
        yield name, attributes.detach().cpu() if isinstance(attributes, torch.Tensor) else attributes


def _tensors(state: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, value.detach().cpu()) for name, value in state.items() if isinstance(value, torch.Tensor))


def _different(one: dict[str, Value], other: dict[str, Value]) -> set[str]:
    """The names whose values differ, or are there once only."""
    return {name for name in one.keys() | other.keys() if not _equal(one.get(name), other.get(name))}


def _equal(one: Value | None, other: Value | None) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if not one.is_floating_point():
            return torch.equal(one, other)
        return torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * float(one.abs().max()), equal_nan=True)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and bool(one == other)
