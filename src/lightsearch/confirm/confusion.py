"""The confusion matrix of a classifier and its surest wrong answers, from the predictions that a test scores."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lightsearch.confirm.wrong_answers import WrongAnswer, WrongAnswers


class CountPredictions:
    """Mixin for Lightning's ``Callback``: counts the predicted class of each test sample.

    The batches are those that ``test_step`` gets, after all hooks of the data. The predictions are the outputs of the
    module's ``forward`` in that step; the module is not called again. There is no matrix with several test loaders, if
    ``test_step`` does not call the module once per batch, if the output is not (B, classes), or if the labels are not
    (B,) integers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: Tensor | None = None
        self._wrong = WrongAnswers()
        self._outputs: list[Any] = []
        self._fits = True
        self._handle: Any = None

    def matrix(self, metrics: dict[str, float]) -> list[list[int]] | None:
        """The number of test samples by class (row) and predicted class (column).

        None if there is no matrix, or if the module logs no accuracy that agrees with it, over the samples or as the
        mean over the classes: the module then derives a sample's class in another way.

        Args:
            metrics: What the module logged in the test.
        """
        if self._counts is None or not self._fits:
            return None
        counts = self._counts.double()
        right, of_class = counts.diag(), counts.sum(dim=1)
        accuracies = [float(right.sum() / counts.sum()), float((right / of_class)[of_class > 0].mean())]
        if not any(math.isclose(value, one, abs_tol=1e-5) for value in metrics.values() for one in accuracies):
            return None
        return [[int(n) for n in row] for row in self._counts]

    def wrong(self, metrics: dict[str, float]) -> list[WrongAnswer]:
        """The surest wrong answers; none if there is no matrix, or if the samples are no images."""
        return [] if self.matrix(metrics) is None else self._wrong.surest()

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._fits = len(trainer.num_test_batches) == 1
        self._handle = pl_module.register_forward_hook(lambda *call: self._outputs.append(call[-1]))

    def on_test_batch_start(self, *_: Any) -> None:
        self._outputs.clear()

    def on_test_batch_end(
        self,
        trainer: Any,  # noqa: ARG002
        pl_module: Any,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,
        *_: Any,
    ) -> None:
        self._fits = self._fits and len(self._outputs) == 1 and self._count(batch, self._outputs[0])
        self._outputs.clear()

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._handle.remove()

    def _count(self, batch: Any, logits: Any) -> bool:
        """Counts a batch; returns False if it does not consist of samples and their classes."""
        if not isinstance(batch, list | tuple) or len(batch) != 2 or not isinstance(batch[1], Tensor):
            return False
        labels = batch[1]
        if labels.ndim != 1 or labels.is_floating_point() or not isinstance(logits, Tensor):
            return False
        if logits.ndim != 2 or len(logits) != len(labels) or not 0 <= labels.min() <= labels.max() < logits.shape[1]:
            return False
        classes = logits.shape[1]
        if self._counts is not None and len(self._counts) != classes:
            return False
        pairs = torch.bincount(labels.long() * classes + logits.argmax(dim=1), minlength=classes**2)
        counts = pairs.view(classes, classes).cpu()
        self._counts = counts if self._counts is None else self._counts + counts
        self._wrong.add(batch[0], labels, logits)
        return True
