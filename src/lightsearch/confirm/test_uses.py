"""Uses of a study's test set: each is counted and stored with the study, before a sample is scored."""

from __future__ import annotations

import math
import time
from typing import Any

import optuna
from pydantic import BaseModel, ConfigDict

from lightsearch.atomic_files import write_json
from lightsearch.paths import study_folder
from lightsearch.storage.locks import storage_lock


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
    interval: tuple[float, float] | None = None
    """95% interval of ``test_acc`` for the choice of the test samples (Wilson's)."""
    intervals: dict[str, tuple[float, float]] = {}
    """The interval of each loader's ``test_acc``, by the metric's name, if there are several test loaders."""

    def lines(self) -> list[str]:
        """The metrics and their intervals, one line each, for people."""
        width = max([10, *map(len, self.metrics or {})])
        found = [f"{metric:<{width}} {value:.5g}" for metric, value in (self.metrics or {}).items()]
        known = {"test_acc": self.interval} if self.interval is not None else self.intervals
        for metric, (low, high) in known.items():
            position = metric.rpartition("_")[2]
            size = self.sizes[int(position)] if self.sizes else self.n_test
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
    multiple_loaders = len(sizes) > 1
    names = [f"test_acc/dataloader_idx_{i}" for i in range(len(sizes))] if multiple_loaders else ["test_acc"]
    known = zip(names, map(metrics.get, names), sizes, strict=True)
    # A metric over several loaders has no interval: they may share samples.
    intervals = {
        name: wilson_interval(share, n) for name, share, n in known if n and share is not None and 0 <= share <= 1
    }
    return {
        "n_test": None if None in sizes else sum(n for n in sizes if n is not None),
        "sizes": sizes if multiple_loaders else [],
        "metrics": metrics,
        "interval": None if multiple_loaders else intervals.get("test_acc"),
        "intervals": intervals if multiple_loaders else {},
    }


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share observed in ``n`` draws (E. B. Wilson, 1927); 95% with the default ``z``."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half
