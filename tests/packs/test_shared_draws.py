"""Random numbers in a training step: in a pack, a member draws what it draws alone with the same epoch seeds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.packs.proofs import Plain, refuted


class Dropping(Plain):
    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        self.net.insert(1, nn.Dropout(0.2, inplace=True))


class DroppingChannels(Plain):
    """Drops whole channels, and some more by a function."""

    def forward(self, inputs: Any) -> Any:
        channels = functional.dropout1d(inputs.view(-1, 5, 2), 0.3, self.training)
        return super().forward(functional.dropout(channels.flatten(1), 0.1, self.training))


class Sampled(Plain):
    """The probabilities are sampled."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__(learning_rate, alpha)
        self.net = nn.Sequential(
            *(nn.Dropout(0.1 * alpha), nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU()),
            *(nn.Dropout(0.2 * alpha), nn.Linear(16, 1)),
        )


class Noisy(Plain):
    """Noise and mixing, from all generators."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        inputs, targets = batch
        share = np.random.beta(0.4, 0.4) * random.random()
        order = torch.randperm(len(inputs))
        mixed = share * inputs + (1 - share) * inputs[order]
        predicted = self(mixed)
        noise = 0.1 * torch.randn_like(predicted) + 0.1 * torch.randn(predicted.shape)
        return super().training_step(batch, batch_idx) + (predicted + noise - targets).square().mean()


class Sampling(Plain):
    """Draws numbers that depend on what the members predict."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        drawn = torch.bernoulli(torch.sigmoid(self(batch[0])))
        return super().training_step(batch, batch_idx) + (drawn * self(batch[0])).mean()


@pytest.mark.parametrize("model", [Dropping, DroppingChannels, Sampled, Noisy])
def test_a_member_draws_what_it_draws_alone(tmp_path: Path, model: type) -> None:
    assert refuted(model, tmp_path) is None


def test_numbers_that_depend_on_predictions_are_refuted(tmp_path: Path) -> None:
    assert "cannot be vectorised" in str(refuted(Sampling, tmp_path))
