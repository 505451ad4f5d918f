"""The further runs of a trial with ``[validation]``: its configuration again, on another seed or another fold.

The first run is the trial itself, which may be pruned or paused. Once it has ended for good, ``racing`` decides before
each further run whether the configuration is worth it. A further run has a folder in the trial's folder, ``seed-1`` or
``fold-1``, with its own checkpoints and ``epochs.csv``. It trains in the same worker, and in its pack if it is in one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from lightsearch.atomic_files import make_folder, write_json
from lightsearch.declare.sections import ValidationSpec
from lightsearch.declare.study_file import StudyFile
from lightsearch.machine import leftovers
from lightsearch.outcome import NOT_WORTH, Kind
from lightsearch.study.racing import RUNS, is_worth_another, runs_attribute, std_of
from lightsearch.study.reporting_trial import ReportingTrial
from lightsearch.training import components
from lightsearch.training.boundary import EndingFields
from lightsearch.training.components import BuildData
from lightsearch.training.epoch_log import EPOCHS, EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.pruning import watch_metrics

RESULT = "result.json"


class RunResult(BaseModel):
    """How a further run ended: the content of its ``result.json``. Its checkpoints are deleted then."""

    model_config = ConfigDict(frozen=True)

    value: float
    """The metric of the best epoch."""
    best_epoch: int
    epochs: int
    seconds: float
    """Wall time of its epochs."""
    stop_reason: str
    """As in an ``Outcome``."""
    seed: int
    epoch_seeds: list[int] = []
    """The seed of each epoch, if it trained in a pack."""


@dataclass
class FurtherRuns:
    """The runs of a trial after its first one."""

    study_file: StudyFile
    spec: ValidationSpec
    """Its ``[validation]``."""
    trial: ReportingTrial
    params: dict[str, Any]
    folder: Path
    """The trial's folder."""
    data_dir: str | None
    build_data: BuildData
    first_value: float | None = None
    """The value of the first run, once it has ended."""
    ended: list[RunResult] = field(default_factory=list)
    """Those of the further runs that have ended, in this attempt or an earlier one."""
    log: EpochLog = field(default_factory=lambda: EpochLog(None))
    """The epochs of the run that trains."""
    seconds_before: float = 0.0
    """Seconds of their epochs in earlier attempts."""

    @property
    def values(self) -> list[float]:
        """The values of all runs that have ended."""
        first = [] if self.first_value is None else [self.first_value]
        return [*first, *(run.value for run in self.ended)]

    @property
    def epochs(self) -> int:
        """The epochs that the further runs have trained."""
        return sum(run.epochs for run in self.ended) + len(self.log.history)

    def train(self, first_value: float, callbacks: Sequence[Any]) -> EndingFields:
        """Trains the further runs as long as the configuration is worth them, and continues an interrupted one.

        Args:
            first_value: The value of the first run.
            callbacks: Those of lightsearch that every fit of the worker has.

        Returns:
            The fields of the trial's ending that differ from those of its first run.
        """
        self.first_value = first_value
        for index in range(1, self.spec.runs):
            folder = self.folder / f"{self.spec.noun}-{index}"
            result = _read_result(folder)
            if result is not None:
                self.seconds_before += result.seconds
            elif folder.exists() or self._is_worth_another():  # one that has begun was worth it
                result = self._train(index, folder, callbacks)
            else:
                return {"kind": Kind.PRUNED, "stop_reason": NOT_WORTH + self.spec.noun}
            self.ended.append(result)
            self.log = EpochLog(None)
            self._write_attribute()
        return {}

    def found(self, epochs: int, seconds: float) -> dict[str, Any]:
        """The fields of an outcome that all runs determine.

        Args:
            epochs: Epochs of the first run.
            seconds: Wall time in seconds, without that of further runs in earlier attempts.
        """
        if self.first_value is None:
            return {}
        return {
            "value": statistics.fmean(self.values),
            "run_values": self.values,
            "std": std_of(self.values),
            "epochs": epochs + self.epochs,
            "further_epochs": self.epochs,
            "seconds": round(seconds + self.seconds_before + self.log.seconds_before, 3),
        }

    def _is_worth_another(self) -> bool:
        trials = self.trial.study.get_trials(deepcopy=False)
        return is_worth_another(self.values, trials, self.spec, self.study_file.direction)

    def _train(self, index: int, folder: Path, callbacks: Sequence[Any]) -> RunResult:
        make_folder(folder)
        leftovers.remove_temporary(folder)
        study_file, seed = self.study_file, run_seed(self.study_file.seed, self.trial.number, index)
        fold = {} if self.spec.folds is None else {"fold": index}
        built = components.build(
            study_file,
            self.params,
            self.data_dir,
            seed=seed,
            make_data=lambda declared, sampled, data_dir: self.build_data(declared, {**sampled, **fold}, data_dir),
        )
        self.log = _ReportingLog(folder / EPOCHS, self._write_attribute)
        fitted = fit(
            replace(built, trainer_keywords={**built.trainer_keywords, "logger": False}),  # a trial is one run of it
            replace(WithValidation.of(study_file), save_top_k=1),
            folder=folder,
            log=self.log,
            callbacks=[watch_metrics(study_file, None, {}), *callbacks],
        )
        best = self.log.best(study_file.metric, study_file.mode)
        assert best is not None, "watch_metrics fails without a metric"
        result = RunResult(
            value=best[study_file.metric],
            best_epoch=int(best["epoch"]),
            epochs=len(self.log.history),
            seconds=round(sum(row["seconds"] for row in self.log.history), 3),
            stop_reason=fitted.stop_reason,
            seed=seed,
            epoch_seeds=fitted.epoch_seeds,
        )
        self.seconds_before += self.log.seconds_before
        write_json(folder / RESULT, result.model_dump(mode="json"))
        for checkpoint in folder.rglob("*.ckpt"):  # the trial's checkpoint is that of its first run
            checkpoint.unlink()
        return result

    def _write_attribute(self) -> None:
        """Keeps the values and the epochs so far with the trial: budgets and the race of other trials count them."""
        self.trial.set_user_attr(RUNS, runs_attribute(self.values, self.epochs))


class _ReportingLog(EpochLog):
    """An epoch log that says when an epoch was added."""

    def __init__(self, path: Path, added: Callable[[], None]) -> None:
        super().__init__(path)
        self._added = added

    def add(self, row: dict[str, float]) -> None:
        super().add(row)
        self._added()


def run_seed(study_seed: int, number: int, index: int) -> int:
    """The seed of a further run, below 2**32, from (study seed, number of the trial, index of the run, from 1)."""
    return int(np.random.SeedSequence([study_seed, number, index]).generate_state(1)[0])


def _read_result(folder: Path) -> RunResult | None:
    """How a run ended in an earlier attempt; None if it has not ended."""
    try:
        return RunResult.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
