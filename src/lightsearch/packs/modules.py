"""Epochs of any LightningModule, for several members at once: one ``training_step``, vectorised over their parameters.

torch.func evaluates the step for all members together. Each member's own optimizer steps, and its own metrics count, so
any of them will do.
``proof.py`` verifies in a few steps that a packed trial gives the same result as alone. A module for which a few steps
cannot verify that is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from lightsearch.compat.torch_internals import tree_leaves
from lightsearch.packs.epoch_logs import EpochLogs
from lightsearch.packs.member import Member
from lightsearch.packs.probe import probe
from lightsearch.packs.vectorized_step import VectorizedStep


def incompatibility(module: Any) -> str | None:
    """Why a module cannot be trained here, as far as its parameters and layers tell; None: it can."""
    dtypes = {tensor.dtype for tensor in module.parameters()}
    if not all(dtype.is_floating_point for dtype in dtypes):
        return f"{type(module).__name__} has parameters of {dtypes}"
    if any(isinstance(child, nn.modules.lazy.LazyModuleMixin) for child in module.modules()):
        return f"{type(module).__name__} has lazy modules"
    return None


def train_epoch(members: Sequence[Member], batches: Iterable[Any], *, probed: bool = False) -> None:
    """Trains every member for an epoch on the same batches, each with its own loss and optimizer.

    Args:
        members: Their modules have equal batch keys.
        batches: As the ``training_step`` takes them, on the modules' device.
        probed: Whether a probe has passed for modules with this batch key.

    Raises:
        NotPackable: if the step depends on what only one member has. Any exception leaves the members half trained.
    """
    modules = [member.module for member in members]
    parameters, buffers = stack_module_state(modules)
    # The members' own parameters become views, so that their optimizers step in place.
    for i, member in enumerate(members):
        for name, parameter in member.module.named_parameters():
            parameter.data = parameters[name].data[i]
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    logs = EpochLogs(len(members))
    step = VectorizedStep(modules)
    try:
        for index, batch in enumerate(batches):
            if index == 0 and not probed:
                probe(modules, step, parameters, buffers, batch)
            losses, buffers, logged = step(parameters, buffers, batch, index)
            gradients = torch.autograd.grad(losses.sum(), [parameters[name] for name in trained], allow_unused=True)
            for i, member in enumerate(members):
                if member.ended:  # it has left within the epoch
                    continue
                own = dict(member.module.named_parameters())
                for name, gradient in zip(trained, gradients, strict=True):
                    own[name].grad = None if gradient is None else gradient[i]
                member.clip_gradients()
                member.optimizer.step()
                member.step_schedules()
            measured = step.measured([None if member.ended else member.module for member in members])
            logs.add(index, logged, measured, step.options, _samples(batch))
    finally:
        for i, member in enumerate(members):
            if member.ended:
                continue
            for parameter in member.module.parameters():
                parameter.data = parameter.data.clone()  # a view would take the whole pack into a checkpoint
                parameter.grad = None
            for name, buffer in member.module.named_buffers():
                buffer.copy_(buffers[name][i])
    for member, logged_by_it in zip(members, logs.of_each(), strict=True):
        member.logged = logged_by_it


def _samples(batch: Any) -> int:
    """The size of a batch: that of the first dimension of its first tensor."""
    sizes = [leaf.shape[0] for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim]
    return sizes[0] if sizes else 1
