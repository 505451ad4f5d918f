"""Early stopping of a trial that a scheduler pauses: it counts as Lightning's own does."""

from __future__ import annotations

import random

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping

from lightsearch.study.stalling import has_stalled
from tests.conftest import digits


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mode", ["max", "min"])
def test_it_counts_as_lightning_does(seed: int, mode: str) -> None:
    rng = random.Random(seed)
    patience, min_delta = rng.choice([1, 2, 4]), rng.choice([0.0, 0.1])
    metric = "val_acc" if mode == "max" else "val_loss"
    study_file = digits(
        f"trainer.patience={patience}", f"trainer.min_delta={min_delta}", f"metric={metric}", f"direction={mode}imize"
    )
    assert study_file.mode == mode
    callback = EarlyStopping(metric, mode=mode, patience=patience, min_delta=min_delta)
    curve: dict[int, float] = {}
    for epoch in range(1, 15):
        curve[epoch] = rng.uniform(0, 1)
        stops, _ = callback._evaluate_stopping_criteria(torch.tensor(curve[epoch], dtype=torch.float64))
        assert has_stalled(curve, study_file) == stops


def test_without_patience_nothing_stalls() -> None:
    curve = dict.fromkeys(range(1, 50), 0.5)
    assert not has_stalled(curve, digits("trainer.patience=0"))
    assert has_stalled(curve, digits("trainer.patience=40"))
    assert not has_stalled({}, digits())
