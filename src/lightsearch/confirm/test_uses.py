"""Uses of a study's test set: each is counted and stored with the study, before a sample is scored."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import optuna
from pydantic import BaseModel, ConfigDict, model_validator

from lightsearch.atomic_files import write_json
from lightsearch.paths import study_folder
from lightsearch.storage.locks import storage_lock

LOADER = "/dataloader_idx_"
"""What Lightning appends to the name of a metric, with the loader's position, if there are several loaders."""

ROUNDING = 1e-6
"""The relative error of a mean in float32 over the batches."""


class Tested(BaseModel):
    """What is tested, and for what purpose."""

    model_config = ConfigDict(frozen=True)

    why: str
    """The purpose."""
    trial: int | None
    """The trial that the configuration comes from; None: the defaults of the model and the data."""
    checkpoint: str
    """The checkpoint, relative to the study's folder."""
    sha256: str
    """Digest of the checkpoint."""
    value: float | None
    """The study's metric of this checkpoint on the validation samples; None: it was trained on them as well."""
    params: dict[str, Any]
    """The configuration, by the names of the study's space."""
    values: dict[str, float] = {}
    """The values of all objectives in validation, if there are several."""


class Evaluation(Tested):
    """One use of the test set. It is recorded before a sample is scored, so that a failed one counts as well."""

    ordinal: int
    """Which use of the study's test set this is, from 1."""
    time: float
    """Seconds since 1970, UTC."""
    n_test: int | None = None
    """Number of test samples, of all loaders together."""
    sizes: list[int | None] = []
    """The number of samples of each test loader, if there are several."""
    metrics: dict[str, float] | None = None
    """What the model logged in the test; None: the evaluation failed, or has not ended."""
    intervals: dict[str, tuple[float, float]] = {}
    """95% intervals of accuracies for the choice of the test samples (Wilson's), by their names."""

    @model_validator(mode="before")
    @classmethod
    def _with_old_interval(cls, stored: Any) -> Any:
        """Reads what earlier versions stored: the interval of ``test_acc`` alone, under a name of its own."""
        if isinstance(stored, dict) and (interval := stored.get("interval")) is not None:
            return {**stored, "intervals": {"test_acc": interval}}
        return stored

    def lines(self) -> list[str]:
        """The metrics and their intervals, one line each, for people."""
        width = max([10, *map(len, self.metrics or {})])
        found = [f"{metric:<{width}} {value:.5g}" for metric, value in (self.metrics or {}).items()]
        for metric, (low, high) in self.intervals.items():
            size = _size(metric, self.sizes) if self.sizes else self.n_test
            found.append(f"95% interval of {metric} on {size} samples: {low:.4f} to {high:.4f}")
        return found


class TestUse:
    """One use of the test set, from its beginning to its end.

    Args:
        study: The study.
        url: The study's storage.
        tested: What is tested.
    """

    def __init__(self, study: optuna.Study, url: str, tested: Tested) -> None:
        self._study = study
        self._url = url
        self._tested = tested
        self._evaluation: Evaluation

    def begin(self) -> None:
        """Counts the use, and stores it with the study."""
        with self._lock():
            before = self._study.user_attrs.get("test_evaluations", [])
            given = self._tested.model_dump()
            self._evaluation = Evaluation(**given, ordinal=len(before) + 1, time=round(time.time(), 3))
            self._study.set_user_attr("test_evaluations", [*before, self._evaluation.model_dump(mode="json")])

    def end(self, metrics: dict[str, float], sizes: list[int | None]) -> Evaluation:
        """Stores the result with the study and in ``studies/<name>/test_evaluations.json``.

        Args:
            metrics: What the model logged.
            sizes: The number of samples of each test loader; None: unknown.
        """
        self._evaluation = self._evaluation.model_copy(update=_result(metrics, sizes))
        with self._lock():
            stored: list[Any] = self._study.user_attrs["test_evaluations"]
            stored[self._evaluation.ordinal - 1] = self._evaluation.model_dump(mode="json")
            self._study.set_user_attr("test_evaluations", stored)
        write_json(study_folder(self._study.study_name) / "test_evaluations.json", stored)
        return self._evaluation

    def _lock(self) -> Any:
        return storage_lock(self._url, f"study-{self._study.study_name}")


def _result(metrics: dict[str, float], sizes: list[int | None]) -> dict[str, Any]:
    """The fields of an evaluation that are known at its end."""
    # A metric over several loaders has no interval: they may share samples.
    samples = {name: sizes[0] if len(sizes) == 1 else _size(name, sizes) for name in metrics}
    return {
        "n_test": None if None in sizes else sum(n for n in sizes if n is not None),
        "sizes": sizes if len(sizes) > 1 else [],
        "metrics": metrics,
        "intervals": {
            name: wilson_interval(value, n)
            for name, value in metrics.items()
            if (n := samples[name]) and _is_accuracy(name, value, n)
        },
    }


def _size(metric: str, sizes: Sequence[int | None]) -> int | None:
    """The number of samples of the test loader that a metric is of; None: it is of all of them."""
    _, of_loader, position = metric.partition(LOADER)
    return sizes[int(position)] if of_loader else None


def _is_accuracy(name: str, value: float, n: int) -> bool:
    """Whether a metric is the share of correct answers to ``n`` samples: a mean over classes, for example, is not."""
    correct = value * n
    return "acc" in name.lower() and 0 <= value <= 1 and abs(correct - round(correct)) <= n * ROUNDING


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share observed in ``n`` draws (E. B. Wilson, 1927); 95% with the default ``z``."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half
