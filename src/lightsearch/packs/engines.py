"""Which modules can train in packs, and which engine trains them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch

from lightsearch.flavours import of_model
from lightsearch.packs import classifier, modules
from lightsearch.packs.member import Member

PLAIN = {
    "accumulate_grad_batches": 1,
    "gradient_clip_val": None,
    "limit_train_batches": 1.0,
    "max_steps": -1,
    "overfit_batches": 0.0,
    "precision": "32-true",
    "val_check_interval": 1.0,
    "world_size": 1,
}
"""What a Trainer must have for its steps to be a pack's."""
STEP_HOOKS = (
    "backward",
    "configure_gradient_clipping",
    "on_after_backward",
    "on_after_batch_transfer",
    "on_before_backward",
    "on_before_batch_transfer",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_train_batch_end",
    "on_train_batch_start",
    "optimizer_step",
    "optimizer_zero_grad",
    "transfer_batch_to_device",
)
"""What Lightning calls in every step, and a pack does not."""


def why_not(trainer: Any, module: Any) -> str | None:
    """Why a trial cannot train in a pack; None: as far as can be told without training it, it can.

    Args:
        trainer: Its Trainer, attached to the module.
        module: Its LightningModule.
    """
    for name, value in PLAIN.items():
        if getattr(trainer, name) != value:
            return f"{name} = {getattr(trainer, name)}"
    if not module.automatic_optimization or len(trainer.optimizers) != 1:
        return f"{type(module).__name__} has several optimizers, or steps them itself"
    if not isinstance(trainer.num_training_batches, int):
        return "the number of batches an epoch is not known"
    base = of_model(module).LightningModule
    for hook in STEP_HOOKS:
        if getattr(type(module), hook) is not getattr(base, hook):
            return f"{type(module).__name__} has a {hook} of its own"
    if classifier.why_not(module) is None:
        return None
    return modules.why_not(module)


def kind(module: Any) -> Hashable:
    """Modules of one kind can be trained as one."""
    if classifier.why_not(module) is None:
        return (type(module), module.model[1].in_features, module.model[7].out_features)
    return modules.kind(module)


def train_epoch(members: Sequence[Member], loader: Any) -> None:
    """Trains members of one kind for an epoch on the batches of ``loader``.

    Raises:
        NotPackable: if it turns out that they cannot be; nothing has been trained then.
    """
    if classifier.why_not(members[0].module) is None:
        classifier.train_epoch(members, loader)
    else:
        device = torch.device(members[0].trainer.strategy.root_device)
        modules.train_epoch(members, loader, device)
