"""Steps of members: clipped gradients, optimizers and schedules by the step are each member's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR

from tests.packs.proofs import Plain, refuted


class Stepping(Plain):
    """Logs its rate, as it is written in several ways; the optimizer and the schedule depend on what is sampled."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("rate", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("same rate", self.optimizers().param_groups[0]["lr"], on_step=True, on_epoch=True)
        self.log("last rate", self.lr_schedulers().get_last_lr()[0])
        return super().training_step(batch, batch_idx) / self.trainer.max_epochs

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.stepped(self.hparams["learning_rate"], self._alpha[0])
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def stepped(self, rate: float, alpha: float) -> tuple[Optimizer, Any]:
        raise NotImplementedError


class Nesterov(Stepping):
    def stepped(self, rate: float, alpha: float) -> tuple[Optimizer, Any]:
        optimizer = SGD(self.parameters(), rate, momentum=0.4 * alpha, nesterov=True, weight_decay=0.1 * alpha)
        return optimizer, OneCycleLR(optimizer, 10 * rate, self.trainer.estimated_stepping_batches)


class Decoupled(Stepping):
    def stepped(self, rate: float, alpha: float) -> tuple[Optimizer, Any]:
        optimizer = AdamW(self.parameters(), rate, weight_decay=alpha)
        return optimizer, OneCycleLR(optimizer, 10 * rate, total_steps=40)


class Normalised(Stepping):
    def stepped(self, rate: float, alpha: float) -> tuple[Optimizer, Any]:
        optimizer = RMSprop(self.parameters(), rate, momentum=0.4 * alpha, centered=True)
        return optimizer, LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))


class Grouped(Stepping):
    """Rates of two groups of parameters."""

    def stepped(self, rate: float, alpha: float) -> tuple[Optimizer, Any]:
        groups = [{"params": self.net[0].parameters(), "lr": rate * alpha}, {"params": self.net[1:].parameters()}]
        optimizer = torch.optim.NAdam(groups, rate)
        return optimizer, CosineAnnealingLR(optimizer, 9)


class Warming(Nesterov):
    """Sets the rate in its step."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.trainer.optimizers[0].param_groups[0]["lr"] = 1e-3
        return super().training_step(batch, batch_idx)


class Counting(Plain):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) * min(1.0, self.global_step / 5)


@pytest.mark.parametrize("model", [Nesterov, Decoupled, Normalised, Grouped])
def test_optimizers_and_schedules_by_the_step_are_each_members_own(tmp_path: Path, model: type) -> None:
    assert refuted(model, tmp_path) is None


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_are_clipped_per_member(tmp_path: Path, algorithm: str) -> None:
    limit = {"norm": 0.3, "value": 0.01}[algorithm]  # most steps exceed it
    assert refuted(Plain, tmp_path, gradient_clip_val=limit, gradient_clip_algorithm=algorithm) is None


@pytest.mark.parametrize(
    ("model", "reason"), [(Warming, "changes self.trainer.optimizers"), (Counting, "asks for self.trainer.global_step")]
)
def test_steps_that_change_or_need_what_one_trainer_has_are_refuted(tmp_path: Path, model: type, reason: str) -> None:
    assert reason in str(refuted(model, tmp_path))
