"""A module's ``training_step``, vectorised over the parameters of several members with torch.func."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torchmetrics import Metric, MetricCollection

from lightsearch.compat.lightning_package import package_of_model
from lightsearch.compat.logged_metric import LoggedMetric
from lightsearch.packs import dropout
from lightsearch.packs.attributes import own_attributes
from lightsearch.packs.member_trainer import for_step
from lightsearch.packs.metric_calls import MetricCalls
from lightsearch.packs.not_packable import NotPackable
from lightsearch.packs.shared_draws import SharedDraws
from lightsearch.packs.unknown import Unknown


class VectorizedStep:
    """The ``training_step`` of a module as a function of parameters and buffers, for all members at once.

    Args:
        modules: The members' modules; the first one stands for all of them.
    """

    def __init__(self, modules: Sequence[Any]) -> None:
        self.inner = module = modules[0]
        self._trainer = for_step(modules)
        self._dropouts = dropout.differing(modules)
        self.device = torch.device(module.device)
        self._members = torch.arange(len(modules), device=self.device)
        self.options: dict[str, dict[str, Any]] = {}
        """Keyword arguments of ``log``, by the name that the step logs."""
        self.metrics = MetricCalls(module)
        self._later: dict[str, Unknown | str] = {}
        """What the step logged that it does not know: values of metrics and rates, and names of metrics as objects."""

    def __call__(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], batch: Any, index: int
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Takes one step.

        Args:
            parameters: (members, ...) each.
            buffers: (members, ...) each.
            batch: As ``training_step`` takes it; the same for all members.
            index: The number of the batch in its epoch.

        Returns:
            The losses (members,), the buffers after the step, and the logged values, (members,) each; ``measured``
            gives those of metrics.
        """
        self._later = {}

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], member: Tensor) -> Any:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}  # the step changes them in place
            logged: dict[str, Tensor] = {}
            with self._logging_to(logged), self._replaced(member), SharedDraws():
                given = _arguments(self.inner, batch, index)
                answer = functional_call(_Forward(self.inner), _prefixed({**parameters, **buffers}), given)
            loss = answer["loss"] if isinstance(answer, dict) else answer
            return loss, buffers, logged, self.metrics.take_tensors()

        losses, buffers, logged, arguments = vmap(one, randomness="same")(parameters, buffers, self._members)
        self.metrics.give_tensors(arguments)
        return losses, buffers, logged

    def measured(self, modules: Sequence[Any]) -> list[dict[str, Any]]:
        """Updates the metrics of modules with the step that was taken.

        Args:
            modules: Those of all members; None in the place of one that has left.

        Returns:
            What is logged that the step did not know, per member: values, and ``LoggedMetric``.
        """
        return [{} if module is None else self._measured(member, module) for member, module in enumerate(modules)]

    def _measured(self, member: int, module: Any) -> dict[str, Any]:
        values = self.metrics.make(member, module)
        return {
            name: LoggedMetric.of(module.get_submodule(later)) if isinstance(later, str) else later.of(member, values)
            for name, later in self._later.items()
        }

    @contextmanager
    def _replaced(self, member: Tensor) -> Iterator[None]:
        """Replaces the parts of the module that belong to one member, inside of the ``with`` block."""
        with ExitStack() as stack:
            stack.enter_context(self.metrics.recorded())
            stack.enter_context(own_attributes(self.inner, self._trainer))
            for name, probabilities in self._dropouts.items():
                layer = self.inner.get_submodule(name)
                own = {"forward": dropout.forward(layer, probabilities, member)}
                stack.enter_context(own_attributes(layer, own))
            yield

    @contextmanager
    def _logging_to(self, logged: dict[str, Tensor]) -> Iterator[None]:
        """Collects what the module logs inside of the ``with`` block."""
        module = self.inner
        names = list(inspect.signature(package_of_model(module).LightningModule.log).parameters)[3:]

        def log(name: str, value: Any, *positional: Any, **given: Any) -> None:
            given |= dict(zip(names, positional, strict=False))
            if given.get("reduce_fx", "mean") not in ("mean", torch.mean):
                raise NotPackable(f"its training_step logs {name} with reduce_fx = {given['reduce_fx']!r}")
            self.options[name] = given
            if isinstance(value, Metric):
                self._later[name] = self.metrics.path(value)
            elif isinstance(value, Unknown):
                self._later[name] = value
            else:
                value = torch.as_tensor(value).detach().squeeze()
                logged[name] = value if value.is_floating_point() else value.float()

        def log_dict(values: Mapping[str, Any], *positional: Any, **given: Any) -> None:
            items = values.items(copy_state=False) if isinstance(values, MetricCollection) else values.items()
            for name, value in items:
                log(name, value, *positional, **given)

        module.log, module.log_dict = log, log_dict
        try:
            yield
        finally:
            del module.log, module.log_dict


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
    """The arguments of a ``training_step``: the batch, and its index if the step takes one."""
    takes = inspect.signature(module.training_step).parameters
    return (batch, index) if len(takes) > 1 else (batch,)
