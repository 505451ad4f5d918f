"""The proof before packs: what a pack would change is refused, and what it would not is not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import random_split

from lightsearch.declare.validation import validate
from lightsearch.packs.calibration import prove
from studies.examples.tabular import Table
from tests.packs.proofs import Plain, refuted


class Frozen(Plain):
    """Its first layer does not train."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        self.net[0].requires_grad_(False)


class Hidden(Plain):
    """Its loss depends on what is sampled, where nobody looks."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) + self._alpha[0] * self.net[0].weight.square().mean()


class Collecting(Plain):
    """Keeps its outputs, and sums them up at the end."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        self.outputs: list[Any] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.outputs.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train_sum", float(len(self.outputs)))
        self.outputs.clear()


class Averaging(torch.nn.Linear):
    """Keeps a moving average of its inputs that nobody asks for in a step."""

    average: Any = None

    def forward(self, inputs: Any) -> Any:
        if self.training:
            now = inputs.detach().mean()
            self.average = now if self.average is None else 0.9 * self.average + 0.1 * now
        return super().forward(inputs)


class Averaged(Plain):
    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        self.net[0] = Averaging(10, 16)

    def on_validation_epoch_end(self) -> None:
        self.log("average", self.net[0].average)


class Sometimes(Averaged):
    """Keeps the average in some configurations only."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        if alpha < 1:
            self.net[0] = torch.nn.Linear(10, 16)

    def on_validation_epoch_end(self) -> None:
        self.log("average", getattr(self.net[0], "average", 0.0))


class Annealed(Plain):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) * min(1.0, (self.current_epoch + 1) / 100)


class SplitByChance(Table):
    """Splits with torch's global random numbers, which come from the study's seed."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        parts = torch.utils.data.ConcatDataset([self.train, self.val])
        self.train, self.val = random_split(parts, [282, 80])


class Advancing(Table):
    """Its batches depend on how often a loader was asked for them, not on the seed."""

    def train_dataloader(self) -> Any:
        batches = list(super().train_dataloader())

        class Loader:
            starts: Iterator[int] = itertools.count()

            def __len__(self) -> int:
                return len(batches)

            def __iter__(self) -> Iterator[Any]:
                start = next(Loader.starts)
                return iter(batches[start:] + batches[:start])

        return Loader()


@pytest.mark.parametrize("model", [Plain, Frozen])
def test_what_a_pack_does_not_change_is_not_refuted(tmp_path: Path, model: type) -> None:
    assert refuted(model, tmp_path) is None


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Hidden, "differs from that of a trial trained alone"),
        (Collecting, "differs from that of a trial trained alone"),
        (Averaged, ""),
        (Annealed, "computes with self.trainer.current_epoch, in which the trials differ"),
    ],
)
def test_what_a_pack_would_change_is_refuted(tmp_path: Path, model: type, reason: str) -> None:
    found = refuted(model, tmp_path)
    assert found is not None
    assert reason in found


def test_data_that_a_pack_would_change_are_refuted(tmp_path: Path) -> None:
    assert refuted(Plain, tmp_path / "split", SplitByChance) is None
    assert "differs" in str(refuted(Plain, tmp_path / "advancing", Advancing))


def test_a_structure_that_is_refuted_is_not_packed(place: Path) -> None:
    study_file, _ = validate(
        {
            "name": "structures",
            "metric": "val_mse",
            "direction": "minimize",
            "data": {"class_path": "studies.examples.tabular.Table"},
            "model": {"class_path": f"{__name__}.Sometimes"},
            "space": {"model": {"alpha": {"choice": [0.5, 2.0]}, "learning_rate": {"float": [1e-3, 1e-2]}}},
        }
    )
    assert study_file is not None
    found = prove(study_file, None, 8)
    assert found.incompatibility is None
    assert len(found.proved) == 1, "without a moving average they train in packs, with it they do not"
