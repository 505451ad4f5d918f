"""What a search returns: its ending, its results, and its best model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from lightsearch.coordinator.ending import Ending
from lightsearch.coordinator.failure_policy import SearchFailure
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Outcome
from lightsearch.report import tables
from lightsearch.storage.study_artifacts import fetch_checkpoint
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.stored import check_has_model
from lightsearch.training.rebuild import rebuild

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class SearchResult:
    """A search's end."""

    ending: Ending
    results: dict[str, Any]
    """The content of ``results.json``."""
    study: optuna.Study
    folder: Path
    """The study's folder."""
    failure: SearchFailure | None
    """The failure that stopped the search, and the reason, if it was one too many."""
    unavailable: ResourceUnavailable | None
    """What did not let the search go on."""
    signal: int | None
    """The signal that stopped the search."""
    study_file: StudyFile
    """The declared study."""
    data_dir: str | None = None
    """Folder of the data files."""

    @property
    def best(self) -> Outcome | None:
        """The best trial: its ``value``, ``params``, ``metrics``, ``best_epoch``, ...; None if none is complete.

        Of several objectives the best by the first, of equals the better in the next.
        """
        best = leaders(self.study.get_trials(deepcopy=False), self.study_file.directions, 1)
        return best[0] if best else None

    @property
    def front(self) -> list[Outcome]:
        """The Pareto front of several objectives, the best by the first one first; ``metrics`` has all their values."""
        return pareto_front(self.study.get_trials(deepcopy=False), self.study_file.directions)

    def trials(self) -> pd.DataFrame:
        """One row a trial; see ``lightsearch.report.tables.trials`` for its columns."""
        return tables.trials(self.study)

    def load_best_model(self) -> Any:
        """The best trial's LightningModule with the weights of its best epoch, on the CPU, in evaluation mode.

        It is built as its trial built it, for which the data has to be there.

        Raises:
            ValueError: if no trial is complete.
            UserError: if the study is of a function, or the checkpoint is missing or damaged.
        """
        check_has_model(self.study)
        if self.best is None:
            raise ValueError(f"the study {self.study_file.name} has no complete trial")
        fetch_checkpoint(self.study, self.folder, self.best)
        return rebuild(self.study_file, self.best, self.folder, self.data_dir).model

    def __repr__(self) -> str:
        best = f"best {self.best.value:.5g} (trial {self.best.number})" if self.best else "no complete trial"
        best += f", front of {len(self.front)}" if self.study_file.multi_objective else ""
        return f"<SearchResult {self.study_file.name}: {self.ending}, {len(self.study.trials)} trials, {best}>"
