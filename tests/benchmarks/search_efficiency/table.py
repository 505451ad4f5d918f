"""A table of real learning curves as a problem: what ``record_table`` has recorded.

The seeds of the table are its tasks, since a search observes one training of a configuration, its luck included. The
scale of a task is that of its own table: the median and the highest of the best accuracies of its configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.scalars import ChoiceParameter
from lightsearch.declare.space import Space
from lightsearch.declare.values import Value
from tests.benchmarks.search_efficiency.problem import Objective, Scale, Trajectory


class Table:
    """The tasks of a table.

    Every method proposes points of the whole space, and learns from those. A point is answered by the nearest
    configuration that the search has not trained yet. To restrict the methods to the table's configurations would be
    less fair: some take lists of points and others do not, and those that look closely around their best point would
    lose the very thing that they are good at. Nearest answers cost all methods the same blur. No answer is given twice
    before all are given, since two points of a real search are never one training.

    Args:
        path: The Parquet file.
        metric: ``val_acc``, or ``val_loss``, which is taken with a minus. Most configurations get all but a few of the
            288 images right, so that accuracies tell them apart in a few steps, and losses finely.
    """

    def __init__(self, path: Path, metric: str = "val_acc") -> None:
        file = Path(str(resources.files("lightsearch.declare") / "digits.toml"))
        self.space: dict[str, dict[str, Any]] = read_declaration(file, [])["space"]
        rows = pd.read_parquet(path).sort_values(["seed", "configuration", "epoch"])
        self.epochs = int(rows["epoch"].max())
        self._coordinates = _Coordinates(Space.model_validate(self.space))
        self._points: dict[str, npt.NDArray[np.float64]] = {}
        self._values: dict[str, npt.NDArray[np.float64]] = {}
        self.scales: dict[str, Scale] = {}
        sign = -1 if metric == "val_loss" else 1
        for seed, of_seed in rows.groupby("seed"):
            task = str(seed)
            firsts = of_seed[of_seed["epoch"] == 1]
            self._points[task] = np.array([self._coordinates(row) for row in firsts.to_dict("records")])
            self._values[task] = sign * of_seed[metric].to_numpy(np.float64).reshape(-1, self.epochs)
            best = self._values[task].max(axis=1)
            self.scales[task] = Scale(float(np.median(best)), float(best.max()))

    def objective(self, task: str) -> Objective:
        """The trainings of one search."""
        points, values, seconds = self._points[task], self._values[task], np.ones(self.epochs)
        free = np.ones(len(points), bool)

        def train(params: Mapping[str, Value]) -> Trajectory:
            if not free.any():
                free[:] = True  # a search of one epoch per trial may need more than a short table has
            distances = ((points - self._coordinates(params)) ** 2).sum(axis=1)
            nearest = int(np.where(free, distances, np.inf).argmin())
            free[nearest] = False
            return Trajectory(values[nearest], seconds)

        return train


class _Coordinates:
    """Parameters as a point: ranges from 0 to 1, logarithmic ones as such; choices as corners far from each other."""

    def __init__(self, space: Space) -> None:
        self._entries = space.entries

    def __call__(self, params: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        coordinates: list[float] = []
        for entry in self._entries:
            value, parameter = params[entry.name], entry.parameter
            if isinstance(parameter, ChoiceParameter):
                coordinates += [float(value == choice) for choice in parameter.choice]
            else:
                low, high = parameter.bounds  # type: ignore[attr-defined]
                scale = np.log if parameter.log else float  # type: ignore[attr-defined]
                coordinates.append(float((scale(value) - scale(low)) / (scale(high) - scale(low))))
        return np.array(coordinates)
