"""Training beside measurements: a fit stands still while another trial of the machine measures a latency."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pytorch_lightning import Callback

from lightsearch.machine.quiet_cores import Cores, cores


@contextlib.contextmanager
def beside_measurements(measured: bool) -> Iterator[list[Callback]]:
    """Held while a trial trains; yields the callbacks that have it stand still while another measures.

    Args:
        measured: Whether latencies are measured in its study; if not, it takes no part.
    """
    if not measured:
        yield []
        return
    with cores().training():
        yield [GiveWay(cores())]


class GiveWay(Callback):
    """Has a fit stand still, between two batches, while another trial measures.

    Args:
        cores: This process's.
    """

    def __init__(self, cores: Cores) -> None:
        self.cores = cores

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self.cores.give_way()  # of a pack's batches its members hear nothing

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        self.cores.give_way()

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:  # noqa: ARG002
        self.cores.give_way()
