"""The surest wrong answers of an image classifier, from the batches that a test scores."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MOST = 24
"""The number of wrong answers that are kept."""


class WrongAnswer(NamedTuple):
    """An image of which a class is predicted that is not its own."""

    probability: float
    """That of the predicted class."""
    number: int
    """That of the image in the test set, from 0."""
    label: int
    predicted: int
    pixels: npt.NDArray[np.uint8]
    """(H, W) or (H, W, 3), from the darkest to the brightest value of the image."""


class WrongAnswers:
    """Collects the surest ones, batch by batch."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, int, WrongAnswer]] = []
        self._seen = 0

    def add(self, images: object, labels: Tensor, outputs: Tensor) -> None:
        """Looks at a batch. What are no images is left out.

        Args:
            images: (B, 1, H, W) or (B, 3, H, W). Three dimensions may as well be sequences.
            labels: (B,) classes.
            outputs: (B, classes) logits, logarithms of probabilities, or probabilities.
        """
        first, self._seen = self._seen, self._seen + len(labels)
        if not isinstance(images, Tensor) or not _are_images(images):
            return
        surest, predicted = _probabilities(outputs.detach().float()).max(dim=1)
        for row in torch.nonzero(predicted != labels).flatten().tolist():
            probability, number = float(surest[row]), first + row
            if len(self._kept) == MOST and probability <= self._kept[0][0]:
                continue
            answer = WrongAnswer(probability, number, int(labels[row]), int(predicted[row]), _pixels(images[row]))
            push = heapq.heappushpop if len(self._kept) == MOST else heapq.heappush
            push(self._kept, (probability, -number, answer))

    def surest(self) -> list[WrongAnswer]:
        """The wrong answers, the surest first."""
        return [answer for *_, answer in sorted(self._kept, key=lambda one: one[:2], reverse=True)]


def _are_images(images: Tensor) -> bool:
    return images.ndim == 4 and images.shape[1] in (1, 3)


def _probabilities(outputs: Tensor) -> Tensor:
    sums = outputs.sum(dim=1)
    are_probabilities = bool((outputs >= 0).all()) and bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-3))
    return outputs if are_probabilities else outputs.softmax(dim=1)


def _pixels(image: Tensor) -> npt.NDArray[np.uint8]:
    values = image.detach().float().cpu().movedim(0, -1).squeeze(-1)
    low, high = values.min(), values.max()
    shades: npt.NDArray[np.uint8] = ((values - low) / (high - low).clamp_min(1e-12) * 255).round().byte().numpy()
    return shades
