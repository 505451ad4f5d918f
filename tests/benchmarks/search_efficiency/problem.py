"""What is searched: learning curves that are known beforehand, or predicted, so that nothing is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import tomlkit

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.declare.values import Value
from lightsearch.errors import UserError


class Trajectory(NamedTuple):
    """A whole training."""

    values: npt.NDArray[np.float64]
    """(epochs,) validation accuracy after each epoch."""
    seconds: npt.NDArray[np.float64]
    """(epochs,) duration of each epoch, above 0."""


class Scale(NamedTuple):
    """The accuracies between which a task's regret is normalised."""

    median: float
    """That of a median random configuration: regret 1."""
    highest: float
    """That of the best of many random configurations: regret 0."""


Objective = Callable[[Mapping[str, Value]], Trajectory]
"""The training of a configuration, from its parameters as the study samples them."""


class Problem(Protocol):
    """Tasks with one space."""

    epochs: int
    """Of a full training."""
    space: dict[str, dict[str, Any]]
    """The section ``space`` of a study file."""
    scales: dict[str, Scale]
    """The tasks that may be searched, each with its scale."""

    def objective(self, task: str) -> Objective:
        """The trainings of one search."""


def study_of(
    problem: Problem, seed: int, overrides: Sequence[str] = (), prior: Mapping[str, Value] | None = None
) -> StudyFile:
    """A study of the problem as a person declares it; everything that is not named has the project's defaults.

    Args:
        problem: The problem.
        seed: The study's seed.
        overrides: ``key=value``, as for ``lightsearch run --set``.
        prior: Values that the person believes to be good.

    Raises:
        UserError: if an override is wrong.
    """
    space = {
        section: {name: {**table, **({"prior": prior[name]} if prior else {})} for name, table in parameters.items()}
        for section, parameters in problem.space.items()
    }
    declared = {
        "name": "search-efficiency",
        "seed": seed,
        "metric": "val_acc",
        "direction": "maximize",
        "data": {"class_path": "lightsearch.data.ImageData", "init_args": {"dataset": "digits"}},
        "model": {"class_path": "lightsearch.Classifier"},
        "space": space,
        "trainer": {"max_epochs": problem.epochs},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "study.toml")
        file.write_text(tomlkit.dumps(declared))
        study_file, mistakes = validate(read_declaration(file, list(overrides)))
    if study_file is None:
        raise UserError(*mistakes)
    return study_file
