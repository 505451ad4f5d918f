"""Pauses of a fit while another trial on the machine measures a latency."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pytorch_lightning import Callback

from lightsearch.machine.quiet_cores import Cores, cores


@contextlib.contextmanager
def paused_by_measurements(measured: bool) -> Iterator[list[Callback]]:
    """Entered while a trial trains; yields the callbacks that pause its fit while another trial measures.

    Args:
        measured: Whether the study measures latencies; if not, the fit never pauses.
    """
    if not measured:
        yield []
        return
    with cores().training():
        yield [PauseForMeasurements(cores())]


class PauseForMeasurements(Callback):
    """Pauses a fit between two batches while another trial measures.

    Args:
        cores: The cores, as this process uses them.
    """

    def __init__(self, cores: Cores) -> None:
        self.cores = cores

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self.cores.give_way()  # a member of a pack gets no batch hooks

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        self.cores.give_way()

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:  # noqa: ARG002
        self.cores.give_way()
