"""What a search method is made for."""

from __future__ import annotations

from typing import NamedTuple

from lightsearch.declare.study_file import StudyFile

MANY = 100_000
"""A total of trials that no search reaches: it ends by its epochs."""


class Setup(NamedTuple):
    """What a method is made for."""

    study_file: StudyFile
    """The study: space, seed, epochs of a trial, and this project's own settings."""
    patience: int | None = None
    """That of ``default``; None: the study's."""
    n_trials: int = MANY
    """The total of trials of ``default``."""

    @property
    def epochs(self) -> int:
        """Of a full training."""
        return self.study_file.trainer.max_epochs

    @property
    def seed(self) -> int:
        """Of the search."""
        return self.study_file.seed
