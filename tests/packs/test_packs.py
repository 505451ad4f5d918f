"""Packs: a trial that trains with others becomes what it would have become alone."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightsearch.packs.host import Host
from studies.examples.tabular import Regressor, Table
from tests.packs.trials import Trial, classifier, digits_data, distance, run, table

WIDTHS = [16, 200, 24, 36, 55, 81, 120, 180, 17, 29, 44, 66, 99, 130, 150, 32]


class Drawing(Regressor):
    """A module whose validation draws random numbers of all kinds."""

    def validation_step(self, batch: Any) -> None:
        super().validation_step(batch)
        self.log("drawn", random.random() + float(np.random.rand()) + float(torch.rand(())))


def test_validation_draws_the_same_numbers_alone_and_in_a_pack(tmp_path: Path, host: Host) -> None:
    def trials(folder: str) -> list[Trial]:
        return [Trial(tmp_path / folder, i, Drawing, lambda: Table(batch_size=64), "val_mse", 2) for i in range(2)]

    together, alone = trials("together"), trials("alone")
    assert run(host, together) == [None, None]
    for one, other in zip(together, alone, strict=True):
        assert one.epoch_seeds  # it was in a pack
        other.train(epoch_seeds=one.epoch_seeds)
        assert torch.equal(one.curve("drawn"), other.curve("drawn"))


@pytest.mark.parametrize("size", [2, 8, pytest.param(16, marks=pytest.mark.slow)])
def test_a_classifier_becomes_the_same_alone_and_in_a_pack(tmp_path: Path, host: Host, size: int) -> None:
    def trials(folder: str) -> list[Trial]:
        rates = [1e-4 * 1.2**i for i in range(size)]
        schedules = ["constant" if i % 3 else "cosine" for i in range(size)]
        makes = [classifier(WIDTHS[i], rates[i], lr_schedule=schedules[i]) for i in range(size)]
        return [Trial(tmp_path / folder, i, make, digits_data) for i, make in enumerate(makes)]

    packed = trials("packed")
    assert run(host, packed) == [None] * size
    own = [(packed[0].seed << 16) + epoch for epoch in range(6)]
    assert all(trial.epoch_seeds == own for trial in packed), "the leader's order of batches is everyone's"
    distances = []
    for together, alone in zip(packed, trials("alone"), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        assert together.model.trainer.global_step == alone.model.trainer.global_step == 6 * 36  # 216 steps
        distances.append(distance(together.model, alone.model))
        for name in ("train_loss", "val_loss"):
            torch.testing.assert_close(together.curve(name), alone.curve(name), rtol=2e-3, atol=2e-3)
        assert (together.curve("val_acc") - alone.curve("val_acc")).abs().max() <= 2.1 / 288, "two images at most"
    # One of them may be where a change of the last bit alone, without any pack, grows as large: hence two bounds.
    assert statistics.median(distances) < 1e-3
    assert max(distances) < 0.1


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_any_module_of_one_structure_becomes_the_same(tmp_path: Path, host: Host, optimizer: str) -> None:
    def trials(side: str) -> list[Trial]:
        makes = [
            lambda i=i: Regressor(hidden_sizes=[24, 12], optimizer=optimizer, learning_rate=1e-3 * 2**i)
            for i in range(3)
        ]
        return [Trial(tmp_path / side, i, make, table, "val_mse", 12) for i, make in enumerate(makes)]

    packed = trials("packed")
    assert run(host, packed) == [None] * 3
    for together, alone in zip(packed, trials("alone"), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        assert distance(together.model, alone.model) < 1e-4
        torch.testing.assert_close(together.curve("val_mse"), alone.curve("val_mse"), rtol=1e-4, atol=1e-5)


class Logging(Regressor):
    """Logs in its training_step, has buffers, and steps AdamW with a schedule."""

    def __init__(self, rate: float, decay: float) -> None:
        super().__init__([24])
        self.rate, self.decay = rate, decay
        self.net.insert(1, torch.nn.BatchNorm1d(24))

    def training_step(self, batch: Any) -> Any:
        loss = super().training_step(batch)
        self.log("train_mse", loss, on_step=False, on_epoch=True)
        self.log_dict({"last": loss})
        return {"loss": loss}

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), self.rate, weight_decay=self.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, self.trainer.estimated_stepping_batches)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def test_logs_buffers_schedules_and_weight_decay_are_each_members_own(tmp_path: Path, host: Host) -> None:
    def trials(side: str) -> list[Trial]:
        makes = [lambda i=i: Logging(1e-3 * 3**i, 10.0**-i) for i in range(3)]
        return [Trial(tmp_path / side, i, make, table, "val_mse", 5) for i, make in enumerate(makes)]

    packed = trials("packed")
    assert run(host, packed) == [None] * 3
    for together, alone in zip(packed, trials("alone"), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        assert distance(together.model, alone.model) < 1e-3
        for name in ("train_mse", "last", "val_mse"):
            torch.testing.assert_close(together.curve(name), alone.curve(name), rtol=1e-2, atol=1e-3)
        assert int(together.model.net[1].num_batches_tracked) == 5 * 9


class Scaled(Table):
    """Has a hook that scales training batches, and asks its Trainer for the stage."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        inputs, targets = batch
        return (inputs * 100 if self.trainer.training else inputs, targets)


def test_hooks_of_the_data_are_called_in_packs(tmp_path: Path, host: Host) -> None:
    def trials(side: str, data: Any) -> list[Trial]:
        makes = [lambda i=i: Regressor(hidden_sizes=[24], learning_rate=1e-3 * 2**i) for i in range(2)]
        return [Trial(tmp_path / side, i, make, data, "val_mse", 4) for i, make in enumerate(makes)]

    packed = trials("packed", lambda: Scaled(32))
    assert run(host, packed) == [None] * 2
    for together, alone, plain in zip(packed, trials("alone", lambda: Scaled(32)), trials("plain", table), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        plain.train(epoch_seeds=together.epoch_seeds)
        torch.testing.assert_close(together.curve("val_mse"), alone.curve("val_mse"), rtol=1e-4, atol=1e-5)
        assert (together.curve("val_mse") - plain.curve("val_mse")).abs().max() > 2e-3
