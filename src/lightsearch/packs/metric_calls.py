"""torchmetrics objects in a vectorised step: their calls are recorded, and made afterwards on each member's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from lightsearch.compat.torch_internals import tree_leaves, tree_map
from lightsearch.packs.attributes import own_attributes
from lightsearch.packs.not_packable import NotPackable
from lightsearch.packs.unknown import Returned, Unknown

METHODS = ("forward", "update", "compute", "reset")
"""The methods of a metric that a step may call."""


class _Call(NamedTuple):
    path: str
    """The metric's name in the module."""
    method: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


class MetricCalls:
    """The calls of a module's torchmetrics objects in a vectorised step.

    What a metric does with its arguments need not be possible for several members at once: it validates values, and
    keeps a state of its own kind. So the step only records its arguments.

    Args:
        module: The module of one member; it stands for those of all members.
    """

    def __init__(self, module: Any) -> None:
        self._metrics: dict[str, Any] = {
            name: part for name, part in module.named_modules() if isinstance(part, Metric | MetricCollection)
        }
        self._paths = {id(part): name for name, part in self._metrics.items()}
        self._calls: list[_Call] = []

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Records the calls inside of the ``with`` block, instead of making them."""
        self._calls = []
        with ExitStack() as stack:
            for path, metric in self._metrics.items():
                stack.enter_context(own_attributes(metric, {name: self._recorder(path, name) for name in METHODS}))
            yield

    def take_tensors(self) -> list[Tensor]:
        """The tensors among the recorded arguments, to be returned by the vectorised function."""
        return [leaf.detach() for leaf in self._leaves() if isinstance(leaf, Tensor)]

    def give_tensors(self, tensors: list[Tensor]) -> None:
        """Replaces these tensors with those of all members, (members, ...) each."""
        rest = iter(tensors)
        self._calls = [
            tree_map(lambda leaf: _Stacked(next(rest)) if isinstance(leaf, Tensor) else leaf, call)
            for call in self._calls
        ]

    def path(self, metric: Metric) -> str:
        """The name in the module of a metric that is logged.

        Raises:
            NotPackable: if the module does not have it.
        """
        if id(metric) not in self._paths:
            raise NotPackable(f"its training_step logs a {type(metric).__name__} that is not an attribute")
        return self._paths[id(metric)]

    def make(self, member: int, module: Any) -> list[Any]:
        """Makes the recorded calls on a member's own metrics.

        Args:
            member: The member's place in the pack.
            module: Its module.

        Returns:
            What the calls return.
        """
        values: list[Any] = []

        def own(leaf: Any) -> Any:
            if isinstance(leaf, Unknown):
                return leaf.of(member, values)
            return leaf.tensors[member] if isinstance(leaf, _Stacked) else leaf

        for path, method, arguments, keywords in self._calls:
            metric = module.get_submodule(path)
            call = metric if method == "forward" else getattr(metric, method)
            values.append(call(*tree_map(own, arguments), **tree_map(own, keywords)))
        return values

    def _leaves(self) -> list[Any]:
        return tree_leaves([tuple(call) for call in self._calls])

    def _recorder(self, path: str, method: str) -> Callable[..., Any]:
        metric = self._metrics[path]

        def record(*arguments: Any, **keywords: Any) -> Any:
            number = len(self._calls)
            self._calls.append(_Call(path, method, arguments, keywords))
            if method not in ("forward", "compute"):
                return None
            if isinstance(metric, MetricCollection):
                return {str(key): Returned(number, str(key)) for key in metric.keys(keep_base=False)}
            return Returned(number)

        return record


@dataclass(frozen=True)
class _Stacked:
    """An argument of all members: (members, ...)."""

    tensors: Tensor
