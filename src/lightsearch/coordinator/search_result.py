"""What a search returns: its ending, its results, and its best model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from lightsearch.coordinator.ending import Ending
from lightsearch.coordinator.failure_policy import SearchFailure
from lightsearch.coordinator.results import summarise
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Outcome
from lightsearch.report.tables.trial_table import trial_table
from lightsearch.storage.study_artifacts import fetch_checkpoint
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.stored import check_has_model
from lightsearch.training.rebuild import rebuild

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class SearchResult:
    """How a search ended, and what it found."""

    ending: Ending
    results: dict[str, Any]
    """The content of ``results.json``."""
    study: optuna.Study
    folder: Path
    """The study's folder."""
    failure: SearchFailure | None
    """The last of the failures that stopped the search, and why they did; None: failures did not stop it."""
    unavailable: ResourceUnavailable | None
    """Why the machine did not let the search continue; None: it did."""
    signal: int | None
    """The number of the signal that stopped the search; None: none did."""
    study_file: StudyFile
    """The declared study."""
    stop_reason: str | None = None
    """The rule of ``[stop]`` that holds, in words; None: none does."""
    data_dir: str | None = None
    """Folder of the data files; None: each data class's default."""

    @property
    def best(self) -> Outcome | None:
        """The best trial: its ``value``, ``params``, ``metrics``, ``best_epoch``, ...; None if none is complete.

        With several objectives, the first one decides; if it is equal, the next one does.
        """
        best = leaders(self.study.get_trials(deepcopy=False), self.study_file.directions, 1)
        return best[0] if best else None

    @property
    def front(self) -> list[Outcome]:
        """The Pareto front of several objectives, ordered by the first one; ``metrics`` has the values of all."""
        return pareto_front(self.study.get_trials(deepcopy=False), self.study_file.directions)

    def trials(self) -> pd.DataFrame:
        """One row per trial; see ``lightsearch.report.tables.trial_table`` for the columns."""
        return trial_table(self.study)

    def load_best_model(self) -> Any:
        """The best trial's LightningModule with the weights of its best epoch, on the CPU, in evaluation mode.

        The model is built in the same way as in its trial, which needs the data.

        Raises:
            ValueError: if no trial is complete.
            UserError: if the study is of a function, or the checkpoint is missing or damaged.
        """
        check_has_model(self.study)
        if self.best is None:
            raise ValueError(f"the study {self.study_file.name} has no complete trial")
        fetch_checkpoint(self.study, self.folder, self.best)
        return rebuild(self.study_file, self.best, self.folder, self.data_dir).model

    def _repr_html_(self) -> str:
        """What a notebook shows: counts, the leading trials, all values, the best trial's curve; as of now."""
        from lightsearch.report.result_card import result_card

        trials = self.study.get_trials(deepcopy=False)
        now = summarise(trials, self.study.user_attrs, self.study_file.name)
        return result_card(now, trials, self.folder, self.ending)

    def __repr__(self) -> str:
        best = f"best {self.best.value:.5g} (trial {self.best.number})" if self.best else "no complete trial"
        best += f", front of {len(self.front)}" if self.study_file.multi_objective else ""
        return f"<SearchResult {self.study_file.name}: {self.ending}, {len(self.study.trials)} trials, {best}>"
