"""Epochs of any LightningModule, of several members at once: one ``training_step``, vectorised over their parameters.

torch.func's ``vmap`` and ``functional_call`` evaluate it for all members together. Their own optimizers step, so that
these can be any. Whether that is the same as training alone is proved by trying it (see ``calibration.py``); what a
trial of a few steps cannot show is refused here.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torchmetrics import Metric

from lightsearch.compat.lightning_package import package_of_model
from lightsearch.compat.torch_internals import tree_leaves
from lightsearch.packs.member import Logged, Member
from lightsearch.packs.random_state import RandomState

OF_ONE = {
    *("current_epoch", "global_step", "trainer", "optimizers", "lr_schedulers", "logger", "loggers"),
    *("manual_backward", "all_gather", "print"),
}
"""Attributes whose value is one member's; a step that asks for them cannot be taken for several."""


class NotPackable(Exception):
    """A module's steps cannot be taken for several members at once."""


def incompatibility(module: Any) -> str | None:
    """Why a module cannot be trained here, as far as its form tells."""
    dtypes = {tensor.dtype for tensor in module.parameters()}
    if not all(dtype.is_floating_point for dtype in dtypes):
        return f"{type(module).__name__} has parameters of {dtypes}"
    if any(isinstance(child, nn.modules.lazy.LazyModuleMixin) for child in module.modules()):
        return f"{type(module).__name__} has lazy modules"
    return None


def batch_key(module: Any) -> Hashable:
    """The class, and everything of the parts but the numbers in the tensors: one forward pass serves all with it."""
    described = tuple(
        (name, type(part).__qualname__, part.training, repr(sorted(_settings(part).items())) if name else "")
        for name, part in module.named_modules()
    )
    tensors = (*module.named_parameters(), *module.named_buffers())
    return (
        type(module),
        described,
        tuple((name, tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors),
    )


def parts(module: Any) -> list[str]:
    """The kinds of parts that a module consists of, its own class first, whatever their names, number and sizes."""
    kinds = {
        repr((type(part).__module__, type(part).__qualname__, part.training, rough(_settings(part))))
        for name, part in module.named_modules()
        if name
    }
    frozen = {parameter.requires_grad for parameter in module.parameters()}
    return [f"{type(module).__module__}.{type(module).__qualname__}", repr(sorted(frozen)), *sorted(kinds)]


def rough(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings without their numbers, of which it only matters whether they are zero: a dropout of 0 draws nothing."""

    def one(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return tuple(map(one, value))
        if isinstance(value, bool | str | type(None)):
            return value
        return bool(value) if isinstance(value, int | float) else type(value).__qualname__

    return sorted((name, one(value)) for name, value in settings.items())


def train_epoch(members: Sequence[Member], batches: Iterable[Any], *, probe: bool = True) -> None:
    """Trains every member for an epoch on the same batches, each with its own loss and optimizer.

    Args:
        members: Their modules have equal batch keys.
        batches: As the ``training_step`` takes them, on the modules' device.
        probe: Whether to look first what a step asks its module for.

    Raises:
        NotPackable: if the step depends on what only one of them has. Any exception leaves them half trained.
    """
    found = [member.module for member in members]
    parameters, buffers = stack_module_state(found)
    # The members' own parameters become views, so that their optimizers step in place.
    for i, member in enumerate(members):
        for name, parameter in member.module.named_parameters():
            parameter.data = parameters[name].data[i]
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    logs = _Logs()
    step = _Step(found[0])
    try:
        for index, batch in enumerate(batches):
            if index == 0 and probe:
                _probe(found, step, parameters, buffers, batch)
            losses, buffers, logged = step(parameters, buffers, batch, index)
            gradients = torch.autograd.grad(losses.sum(), [parameters[name] for name in trained], allow_unused=True)
            for i, member in enumerate(members):
                own = dict(member.module.named_parameters())
                for name, gradient in zip(trained, gradients, strict=True):
                    own[name].grad = None if gradient is None else gradient[i]
                member.optimizer.step()
                member.step_schedules()
            logs.add(index, logged, step.options, _samples(batch))
    finally:
        for i, member in enumerate(members):
            for parameter in member.module.parameters():
                parameter.data = parameter.data.clone()  # a view would take the whole pack into a checkpoint
                parameter.grad = None
            for name, buffer in member.module.named_buffers():
                buffer.copy_(buffers[name][i])
    for member, logged_by_it in zip(members, logs.of_each(len(members)), strict=True):
        member.logged = logged_by_it


class _Step:
    """A module's ``training_step`` as a function of parameters and buffers, for all members at once."""

    def __init__(self, module: Any) -> None:
        self.inner = module
        self.device = torch.device(module.device)
        self.options: dict[str, dict[str, Any]] = {}
        """How the step asks for each value to be logged."""

    def __call__(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Any, index: int
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Losses (members,), the buffers after the step, and what was logged, (members,) each."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Any:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}  # changed in place by the step
            logged: dict[str, Tensor] = {}
            with _logging_to(self.inner, logged, self.options):
                given = _arguments(self.inner, batch, index)
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


def _arguments(module: Any, batch: Any, index: int) -> tuple[Any, ...]:
    """What a ``training_step`` is called with: the batch, and its index if it takes one."""
    takes = inspect.signature(module.training_step).parameters
    return (batch, index) if len(takes) > 1 else (batch,)


@contextmanager
def _logging_to(module: Any, logged: dict[str, Tensor], options: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Collects what a module logs meanwhile."""
    names = list(inspect.signature(package_of_model(module).LightningModule.log).parameters)[3:]

    def log(name: str, value: Any, *positional: Any, **given: Any) -> None:
        given |= dict(zip(names, positional, strict=False))
        if isinstance(value, Metric):
            raise NotPackable(f"its training_step logs {name}, a metric that keeps a state")
        if given.get("reduce_fx", "mean") not in ("mean", torch.mean):
            raise NotPackable(f"its training_step logs {name} with reduce_fx = {given['reduce_fx']!r}")
        value = torch.as_tensor(value).detach()
        logged[name] = value if value.is_floating_point() else value.float()
        options[name] = given

    def log_dict(values: Mapping[str, Any], *positional: Any, **given: Any) -> None:
        for name, value in values.items():
            log(name, value, *positional, **given)

    module.log, module.log_dict = log, log_dict
    try:
        yield
    finally:
        del module.log, module.log_dict


def _probe(
    modules: Sequence[Any], step: _Step, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Any
) -> None:
    """Takes one step that changes no parameter, and looks at what it asks its module for, and whether it draws."""
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

    before = RandomState(step.device)
    first.__class__ = Watched
    try:
        read.clear()
        written.clear()
        losses, *_ = step(parameters, buffers, batch, 0)
        read -= {"log", "log_dict"}
    except NotPackable:
        raise
    except Exception as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise NotPackable(f"its training_step cannot be vectorised ({words:.100})") from error
    finally:
        first.__class__ = cls
    drawn = not before.is_now()
    before.restore()  # what was drawn is drawn once more
    if drawn:
        raise NotPackable("its training_step draws random numbers (dropout?), alone others than in a pack")
    if losses.shape != (len(modules),) or not losses.requires_grad:
        raise NotPackable("its training_step does not return one loss")
    for name in sorted(written - {"__class__", "log", "log_dict", "training"}):
        raise NotPackable(f"its training_step keeps a state in self.{name}")
    for name in sorted(read):
        if name in OF_ONE:
            raise NotPackable(f"its training_step asks for self.{name}")
        own = name in first.__dict__ and not name.startswith("_")
        if own and any(not _equal(first.__dict__[name], module.__dict__.get(name)) for module in modules[1:]):
            raise NotPackable(f"its training_step asks for self.{name}, in which the trials differ")


def _settings(part: nn.Module) -> dict[str, Any]:
    """What a module keeps besides tensors and other modules."""
    return {
        name: value
        for name, value in vars(part).items()
        if not name.startswith("_") and isinstance(value, bool | int | float | str | tuple | type(None))
    }


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (RuntimeError, TypeError, ValueError):
        return one is other


def _samples(batch: Any) -> int:
    sizes = [leaf.shape[0] for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim]
    return sizes[0] if sizes else 1


class _Logs:
    """What the steps of an epoch logged."""

    def __init__(self) -> None:
        self._steps: dict[str, list[int]] = {}
        self._values: dict[str, list[Tensor]] = {}
        self._weights: dict[str, list[int]] = {}
        self._options: dict[str, dict[str, Any]] = {}

    def add(self, step: int, logged: dict[str, Tensor], options: dict[str, dict[str, Any]], samples: int) -> None:
        """Adds a step's values, (members,) each; they stay where they are: nothing is synchronised in an epoch."""
        for name, values in logged.items():
            self._options[name] = options[name]
            self._steps.setdefault(name, []).append(step)
            self._values.setdefault(name, []).append(values)
            self._weights.setdefault(name, []).append(int(options[name].get("batch_size") or samples))

    def of_each(self, members: int) -> list[list[Logged]]:
        """What each member logged."""
        stacked = {name: torch.stack(values).cpu() for name, values in self._values.items()}  # (steps, members) each
        return [
            [
                Logged(name, self._steps[name], values[:, i].tolist(), self._weights[name], self._options[name])
                for name, values in stacked.items()
            ]
            for i in range(members)
        ]
