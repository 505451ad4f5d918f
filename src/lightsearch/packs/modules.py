"""Epochs of any LightningModule, of several members at once: one ``training_step``, vectorised over their parameters.

torch.func's ``vmap`` and ``functional_call`` evaluate it for all members together. Their own optimizers step, so that
these can be any. Whatever would be the first member's alone in such a step is refused instead of being got wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils import _pytree as pytree
from torchmetrics import Metric

from lightsearch.packs.member import Member

OF_ONE = {
    *("current_epoch", "global_step", "trainer", "optimizers", "lr_schedulers", "logger", "loggers"),
    *("hparams", "_hparams", "manual_backward", "all_gather", "print"),
}
"""Attributes whose value is one member's; a step that asks for them cannot be taken for several."""


class NotPackable(Exception):
    """A module's steps cannot be taken for several members at once."""


def why_not(module: Any) -> str | None:
    """Why a module cannot be trained here, as far as its form tells."""
    dtypes = {tensor.dtype for tensor in module.parameters()}
    if not all(dtype.is_floating_point for dtype in dtypes):
        return f"{type(module).__name__} has parameters of {dtypes}"
    if any(isinstance(child, nn.modules.lazy.LazyModuleMixin) for child in module.modules()):
        return f"{type(module).__name__} has lazy modules"
    return None


def kind(module: Any) -> Hashable:
    """The class, and everything of the parts but the numbers in the tensors: one forward pass serves all of a kind."""
    parts = tuple(
        (name, type(part).__qualname__, part.training, _settings(part) if name else ())
        for name, part in module.named_modules()
    )
    tensors = (*module.named_parameters(), *module.named_buffers())
    return (type(module), parts, tuple((name, tensor.shape, tensor.dtype) for name, tensor in tensors))


def train_epoch(members: Sequence[Member], loader: Any, device: torch.device) -> None:
    """Trains every member for an epoch on the same batches, each with its own loss and optimizer.

    Args:
        members: Their modules are of one kind.
        loader: Batches as the ``training_step`` takes them.
        device: Where the modules are.

    Raises:
        NotPackable: if the step depends on what only one of them has; nothing has been trained then.
    """
    found = [member.module for member in members]
    parameters, buffers = stack_module_state(found)
    # The members' own parameters become views, so that their optimizers step in place.
    for i, member in enumerate(members):
        for name, parameter in member.module.named_parameters():
            parameter.data = parameters[name].data[i]
    logs = _Logs(len(members))
    step = _Step(found[0])
    try:
        for index, batch in enumerate(loader):
            batch = moved(batch, device)
            if index == 0:
                _probe(found, step, parameters, buffers, batch)
            losses, buffers, logged = step(parameters, buffers, batch, index)
            gradients = torch.autograd.grad(losses.sum(), list(parameters.values()), allow_unused=True)
            for i, member in enumerate(members):
                own = dict(member.module.named_parameters())
                for name, gradient in zip(parameters, gradients, strict=True):
                    own[name].grad = None if gradient is None else gradient[i]
                member.optimizer.step()
                member.stepped()
            logs.add(logged, step.options, _samples(batch))
    finally:
        for i, member in enumerate(members):
            for parameter in member.module.parameters():
                parameter.data = parameter.data.clone()  # a view would take the whole pack into a checkpoint
                parameter.grad = None
            for name, buffer in member.module.named_buffers():
                buffer.copy_(buffers[name][i])
    for i, member in enumerate(members):
        member.logged = logs.of(i)


def arguments(module: Any, batch: Any, index: int) -> tuple[Any, ...]:
    """What a ``training_step`` is called with: the batch, and its index if it takes one."""
    takes = inspect.signature(module.training_step).parameters
    return (batch, index) if len(takes) > 1 else (batch,)


def moved(batch: Any, device: torch.device) -> Any:
    """A batch on a device."""
    return pytree.tree_map(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, batch)


class _Step:
    """A module's ``training_step`` as a function of parameters and buffers, for all members at once."""

    def __init__(self, module: Any) -> None:
        self.inner = module
        self.options: dict[str, dict[str, Any]] = {}
        """How the step asks for each value to be logged."""

    def __call__(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Any, index: int
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Losses (members,), the buffers after the step, and what was logged, (members,) each."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Any:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}  # changed in place by the step
            logged: dict[str, Tensor] = {}
            with logging_to(self.inner, logged, self.options):
                given = arguments(self.inner, batch, index)
                answer = functional_call(_Forward(self.inner), _prefixed({**parameters, **buffers}), given)
            loss = answer["loss"] if isinstance(answer, dict) else answer
            return loss, buffers, logged

        losses, buffers, logged = vmap(one, randomness="different")(parameters, buffers)
        return losses, buffers, logged


class _Forward(nn.Module):
    """``functional_call`` calls ``forward``; here that is the ``training_step``."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *arguments: Any) -> Any:
        return self.inner.training_step(*arguments)


def _prefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": tensor for name, tensor in tensors.items()}


@contextmanager
def logging_to(module: Any, logged: dict[str, Tensor], options: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Collects what a module logs meanwhile."""

    def log(name: str, value: Any, **given: Any) -> None:
        if isinstance(value, Metric):
            raise NotPackable(f"its training_step logs {name}, a metric that keeps a state")
        logged[name] = torch.as_tensor(value, dtype=torch.float32).detach()
        options[name] = given

    def log_dict(values: dict[str, Any], **given: Any) -> None:
        for name, value in values.items():
            log(name, value, **given)

    module.log, module.log_dict = log, log_dict
    try:
        yield
    finally:
        del module.log, module.log_dict


def _probe(
    modules: Sequence[Any], step: _Step, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Any
) -> None:
    """Takes one step without consequences, and looks at what it asks its module for."""
    first = modules[0]
    read: set[str] = set()
    written: set[str] = set()
    cls = type(first)

    class Watched(cls):  # type: ignore[misc, valid-type]
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

        def __setattr__(self, name: str, value: Any) -> None:
            written.add(name)
            super().__setattr__(name, value)

    state = torch.get_rng_state()
    first.__class__ = Watched
    try:
        read.clear()
        written.clear()
        losses, *_ = step(parameters, buffers, batch, 0)
        read -= {"log", "log_dict"}
    except NotPackable:
        raise
    except Exception as error:
        raise NotPackable(f"its training_step cannot be vectorised: {error!s:.200}") from error
    finally:
        first.__class__ = cls
        torch.set_rng_state(state)
    if losses.shape != (len(modules),) or not losses.requires_grad:
        raise NotPackable("its training_step does not return one loss")
    for name in sorted(written - {"__class__", "log", "log_dict", "training"}):
        raise NotPackable(f"its training_step keeps a state in self.{name}")
    for name in sorted(read):
        value = first.__dict__.get(name, first._modules.get(name))
        if name in OF_ONE:
            raise NotPackable(f"its training_step asks for self.{name}")
        if isinstance(value, Metric | list | dict | set) and not name.startswith("_"):
            raise NotPackable(f"its training_step asks for self.{name}, which may keep a state")
        own = name in first.__dict__ and not name.startswith("_")
        if own and any(not _equal(value, module.__dict__.get(name)) for module in modules[1:]):
            raise NotPackable(f"its training_step asks for self.{name}, in which the trials differ")


def _settings(part: nn.Module) -> tuple[tuple[str, str], ...]:
    """What a module keeps besides tensors and other modules, in words."""
    return tuple(
        (name, repr(value))
        for name, value in sorted(vars(part).items())
        if not name.startswith("_") and isinstance(value, bool | int | float | str | tuple | type(None))
    )


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (RuntimeError, TypeError, ValueError):
        return one is other


def _samples(batch: Any) -> int:
    sizes = [leaf.shape[0] for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim]
    return sizes[0] if sizes else 1


class _Logs:
    """What the steps of an epoch logged: means over the samples, or the last value, as they asked."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last: dict[str, Tensor] = {}
        self._options: dict[str, dict[str, Any]] = {}

    def add(self, logged: dict[str, Tensor], options: dict[str, dict[str, Any]], samples: int) -> None:
        self._options.update(options)
        for name, values in logged.items():
            samples_of = options[name].get("batch_size") or samples
            self._sums[name] = self._sums.get(name, 0) + values * samples_of
            self._counts[name] = self._counts.get(name, 0) + samples_of
            self._last[name] = values

    def of(self, i: int) -> list[tuple[str, Tensor, dict[str, Any]]]:
        """Name, value and options of what member ``i`` logged."""
        return [
            (name, (self._sums[name] / self._counts[name] if given.get("on_epoch") else self._last[name])[i], given)
            for name, given in self._options.items()
        ]
