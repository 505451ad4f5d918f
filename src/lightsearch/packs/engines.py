"""Which modules can train in packs, and which engine trains them."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from pytorch_lightning import Callback

from lightsearch.compat.lightning_package import package_of_model
from lightsearch.compat.trainer import has_several_training_loaders, saves_within_epoch
from lightsearch.packs import classifier, modules
from lightsearch.packs.member import Member
from lightsearch.packs.structure import module_key, part_kinds, without_sizes

PLAIN = {
    "accumulate_grad_batches": 1,
    "max_steps": -1,
    "overfit_batches": 0.0,
    "precision": "32-true",
    "reload_dataloaders_every_n_epochs": 0,
    "val_check_interval": 1.0,
    "world_size": 1,
}
"""The Trainer attributes with which the steps can be taken by a pack."""
UNBOUNDED = "the number of batches per epoch is unknown"
CALLBACK_HOOKS = (
    "on_after_backward",
    "on_before_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_train_batch_end",
    "on_train_batch_start",
)
"""Hooks of callbacks that Lightning calls in every step; a pack does not call them."""
STEP_HOOKS = (
    *CALLBACK_HOOKS,
    "backward",
    "configure_gradient_clipping",
    "on_after_batch_transfer",
    "on_before_batch_transfer",
    "optimizer_step",
    "optimizer_zero_grad",
    "transfer_batch_to_device",
)
"""Hooks of a module that Lightning calls in every step; a pack does not call them, or only those of one member."""


def incompatibility(trainer: Any, module: Any) -> str | None:
    """Why a trial cannot train in a pack, as far as can be told without training it; None: it can.

    Args:
        trainer: The Trainer of the trial, attached to the module.
        module: The LightningModule.
    """
    for name, value in PLAIN.items():
        if getattr(trainer, name) != value:
            return f"{name} = {getattr(trainer, name)}"
    if not module.automatic_optimization or len(trainer.optimizers) != 1:
        return f"{type(module).__name__} has several optimizers, or steps them itself"
    if has_several_training_loaders(trainer):
        return "there are several training loaders"
    if not isinstance(trainer.num_training_batches, int):
        return UNBOUNDED
    base = package_of_model(module)
    for hook in STEP_HOOKS:
        if getattr(type(module), hook) is not getattr(base.LightningModule, hook):
            return f"{type(module).__name__} has a {hook} of its own"
    for callback in trainer.callbacks:
        if (acts := _acts_in_steps(callback, base)) is not None:
            return f"the callback {type(callback).__name__} {acts}"
    if classifier.incompatibility(module) is None:
        return f"gradient_clip_val = {trainer.gradient_clip_val}" if trainer.gradient_clip_val else None
    return modules.incompatibility(module)


def structure_key(module: Any) -> Hashable:
    """Modules with equal keys can be trained as one, on the same batches."""
    if classifier.incompatibility(module) is None:
        return (type(module), module.model[1].in_features, module.model[7].out_features)
    return module_key(module)


def structure(trainer: Any, module: Any) -> str:
    """A digest of what a trial trains with, without sizes; it is the same in every process.

    What is proved of one trial holds for all trials with its structure.

    Args:
        trainer: The Trainer of the trial, attached to the module.
        module: The LightningModule.
    """
    optimizer = trainer.optimizers[0]
    schedules = [
        (type(config.scheduler).__qualname__, config.interval, config.reduce_on_plateau)
        for config in trainer.lr_scheduler_configs
    ]
    described = (
        *(part_kinds(module), type(optimizer).__qualname__, without_sizes(optimizer.defaults), schedules),
        *(bool(trainer.gradient_clip_val), str(trainer.gradient_clip_algorithm)),
    )
    return hashlib.sha256(repr(described).encode()).hexdigest()


def train_epoch(members: Sequence[Member], batches: Iterable[Any], *, probed: bool = False) -> None:
    """Trains members with equal batch keys for an epoch.

    Args:
        members: The members of a pack.
        batches: As their ``training_step`` takes them, on their device.
        probed: Whether modules with this batch key have been probed; once is enough.

    Raises:
        NotPackable: if they cannot be trained as one. Any exception leaves the members half trained.
    """
    if classifier.incompatibility(members[0].module) is None:
        classifier.train_epoch(members, batches)
    else:
        modules.train_epoch(members, batches, probed=probed)


def _acts_in_steps(callback: Any, base: Any) -> str | None:
    """How a callback acts within the steps of an epoch; None: it does not."""
    if type(callback).__module__.partition(".")[0] == "lightsearch":
        return None
    if isinstance(callback, base.callbacks.LearningRateMonitor) and callback.logging_interval == "epoch":
        return None
    if isinstance(callback, base.callbacks.ModelCheckpoint):
        return "writes checkpoints within an epoch" if saves_within_epoch(callback) else None
    # The callbacks of one copy of Lightning work in the Trainers of the other.
    nothing = [(getattr(Callback, hook), getattr(base.Callback, hook)) for hook in CALLBACK_HOOKS]
    for hook, inherited in zip(CALLBACK_HOOKS, nothing, strict=True):
        if getattr(type(callback), hook) not in inherited:
            return f"has a {hook}"
    return None
