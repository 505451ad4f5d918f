"""The rank of a process among the processes of a trial on multiple devices, and what they agree on."""

from __future__ import annotations

import functools
import importlib
import re
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, TypeVar

import torch
from pytorch_lightning import Callback

from lightsearch.compat.lightning_package import based_on
from lightsearch.compat.trainer import disable_signal_handlers

Result = TypeVar("Result")


class Rank:
    """One of a trial's processes.

    Args:
        number: The rank; 0 is the first.
        count: Number of processes.
        pipes: Rank 0 has pipes to all other ranks; the others have one, to rank 0.
    """

    def __init__(self, number: int = 0, count: int = 1, pipes: tuple[Connection, ...] = ()) -> None:
        self.number = number
        self.count = count
        self._pipes = pipes

    @property
    def is_first(self) -> bool:
        """Whether this is the process that knows the storage and writes files."""
        return self.number == 0

    def agreed(self, decide: Callable[[], Result]) -> Result:
        """The decision of rank 0; the others wait for it. All ranks must call it, in the same order."""
        if self.number:
            decision: Result = self._pipes[0].recv()
            return decision
        decision = decide()
        for pipe in self._pipes:
            pipe.send(decision)
        return decision

    @functools.cached_property
    def port(self) -> int:
        """The port at which the processes connect.

        It is chosen after all processes have called this, so none waits for a dead process.
        """
        for pipe in self._pipes:
            pipe.send(None)
        for pipe in self._pipes:
            pipe.recv()
        return self.agreed(_free_port)

    def trainer(self, lightning: ModuleType, keywords: dict[str, Any]) -> Any:
        """Creates the Trainer of this rank.

        Args:
            lightning: The package that the model derives from.
            keywords: Keyword arguments of the Trainer, including ``callbacks`` and ``plugins``.
        """
        environments = importlib.import_module(f"{lightning.__name__}.plugins.environments")
        environment = based_on(environments.ClusterEnvironment, _Environment)(self)
        # ddp_spawn, ddp_fork and ddp_notebook are ddp with other launchers.
        strategy = re.sub(r"^ddp_(spawn|fork|notebook)", "ddp", str(keywords.get("strategy", "auto")))
        own = {"strategy": strategy, "plugins": [*keywords["plugins"], environment]}
        if self.count == 1:
            return lightning.Trainer(**{**keywords, **own})
        trainer = lightning.Trainer(**{**keywords, **own, "callbacks": [_WholeValidation(), *keywords["callbacks"]]})
        trainer.strategy.reduce = _unrounded(trainer.strategy.reduce)
        # Its handler of SIGTERM communicates with the other ranks, possibly in the middle of another communication.
        disable_signal_handlers(trainer)
        return trainer


SINGLE_RANK = Rank()
"""The only process of a trial on one device."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Environment:
    """Mixin for Lightning's ``ClusterEnvironment``: the processes exist already."""

    creates_processes_externally = True
    main_address = "127.0.0.1"

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self._rank = rank

    @property
    def main_port(self) -> int:
        return self._rank.port

    @staticmethod
    def detect() -> bool:
        return True

    def world_size(self) -> int:
        return self._rank.count

    def set_world_size(self, size: int) -> None:
        pass

    def global_rank(self) -> int:
        return self._rank.number

    def set_global_rank(self, rank: int) -> None:
        pass

    def local_rank(self) -> int:
        return self._rank.number

    def node_rank(self) -> int:
        return 0


class _WholeValidation(Callback):
    """Averages what a module logs in validation over all ranks, as if it had passed ``sync_dist=True``."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        log = pl_module.log

        @functools.wraps(log)
        def log_whole(name: str, value: Any, *args: Any, **options: Any) -> None:
            if trainer.validating and not options.get("rank_zero_only"):
                options["sync_dist"] = True
            log(name, value, *args, **options)

        pl_module.log = log_whole


def _unrounded(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps Lightning's reduction over the ranks, which rounds down the mean of integers such as batch sizes."""

    @functools.wraps(reduce)
    def reduced(tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Any:
        if reduce_op in ("mean", "avg") and isinstance(tensor, torch.Tensor) and not tensor.is_floating_point():
            tensor = tensor.double()
        return reduce(tensor, group=group, reduce_op=reduce_op)

    return reduced
