"""A module that a user has written, and what to search in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RATE = {"float": [1e-3, 3e-2], "log": True}
"""A learning rate that is sampled."""


@dataclass(frozen=True)
class Case:
    """A module that a user has written, and a study of it."""

    idiom: str
    """What is in it that a toolkit may get wrong."""
    model: str
    """Its import path, in ``modules/``."""
    data: str
    metric: str
    space: dict[str, Any]
    """What is sampled, by section."""
    direction: str = "maximize"
    init_args: dict[str, Any] = field(default_factory=dict)
    """The data's constructor arguments."""
    trainer: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the Lightning Trainer."""
    further: dict[str, Any] = field(default_factory=dict)
    """Further keys of the study file."""
    tested: bool = True
    """Whether there is a test set."""
    jump: float = 2e-3
    """How much a metric of validation may differ in a pack. Rounding errors alone move a bias before a batch norm, by
    about the learning rate in a step of Adam. The batch norm cancels it in training, but in validation the running mean
    lags behind it. Without such biases, a pack and a trial alone agree in all digits but the last."""
    writes: tuple[str, ...] = ()
    """Patterns of the files that its own callbacks and loggers write into a trial's folder."""

    def study(self, name: str) -> dict[str, Any]:
        """The study file as a dictionary."""
        return {
            "name": name,
            "seed": 7,
            "metric": self.metric,
            "direction": self.direction,
            "model": {"class_path": self.model},
            "data": {"class_path": self.data, "init_args": self.init_args},
            "space": self.space,
            "trainer": {"max_epochs": 2, "accelerator": "cpu", **self.trainer},
            **self.further,
        }


def of_model(**parameters: Any) -> dict[str, Any]:
    """A space that samples the model only."""
    return {"model": parameters}
