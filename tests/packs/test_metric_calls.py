"""torchmetrics in a training step: every member's own metrics count what the member predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchmetrics

from tests.packs.proofs import Plain, refuted


class Logged(Plain):
    """Logs metrics as objects and by their values, within collections too, on steps and epochs."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        errors = {"mae": torchmetrics.MeanAbsoluteError(), "mse": torchmetrics.MeanSquaredError()}
        self.shared = torchmetrics.MetricCollection(errors, prefix="shared/")
        self.valued = self.shared.clone(prefix="valued/")
        self.r2, self.mean, self.lowest = torchmetrics.R2Score(), torchmetrics.MeanMetric(), torchmetrics.MinMetric()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        predicted = self(batch[0])
        self.shared.update(predicted, batch[1])
        self.log_dict(self.shared, on_step=False, on_epoch=True)
        self.log_dict(self.valued(predicted, batch[1]))
        self.r2(predicted, target=batch[1])
        self.log("r2", self.r2, on_step=True, on_epoch=True)
        self.log("running", self.mean(loss.detach()), on_step=False, on_epoch=True, batch_size=1)
        self.lowest.update(self.mean.compute())
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("lowest", self.lowest.compute())


class Using(Plain):
    """Trains with the value of a metric."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        self.mae = torchmetrics.MeanAbsoluteError()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) * (1 + self.mae(self(batch[0]), batch[1]))


class Peeking(Using):
    """Reads the state of a metric, which is not a call."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.mae.update(self(batch[0]), batch[1])
        loss = Plain.training_step(self, batch, batch_idx)
        self.log("state", torch.as_tensor(self.mae.sum_abs_error))
        return loss


def test_metrics_of_a_training_step_are_each_members_own(tmp_path: Path) -> None:
    assert refuted(Logged, tmp_path) is None


@pytest.mark.parametrize(("model", "reason"), [(Using, "computes with the value of a metric"), (Peeking, "differs")])
def test_what_needs_a_metric_within_the_step_is_refuted(tmp_path: Path, model: type, reason: str) -> None:
    assert reason in str(refuted(model, tmp_path))
