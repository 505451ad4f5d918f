"""Trials that are read by the row are those that Optuna's own storage reads."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from lightsearch.storage.row_reads import RowReadingStorage


@pytest.mark.parametrize("directions", [["maximize"], ["maximize", "minimize"]])
def test_the_same_trials_as_optunas(tmp_path: Path, directions: list[str]) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    study = optuna.create_study(storage=url, directions=directions, study_name="s")
    other = optuna.create_study(storage=url, study_name="another")
    other.tell(other.ask(), 1.0)
    study.enqueue_trial({"depth": 2})
    for number in range(6):
        trial = study.ask()
        for step in range(number):
            if len(directions) == 1:
                trial.report([math.nan, math.inf, -math.inf, 0.25][step % 4], step)
        trial.suggest_int("depth", 1, 3)
        trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("kind", ["a", None, 3])
        trial.set_user_attr("owner", {"host": "h", "pids": [1, 2]})
        trial.set_constraint("parameters", 1.5)
        if number in (0, 3):
            study.tell(trial, [0.5, math.inf][: len(directions)])
        elif number == 1:
            study.tell(trial, state=TrialState.FAIL)
    theirs, ours = RDBStorage(url), RowReadingStorage(url)
    study_id = ours.get_study_id_from_name("s")
    states = (TrialState.COMPLETE, TrialState.FAIL)
    for chosen in ((None, set(), -1), (None, {1, 2}, 4), (None, set(), 5), (states, set(), -1), (states, {2, 3}, 4)):
        expected = theirs._get_trials(study_id, *chosen)
        found = ours.read_trials(study_id, *chosen)
        assert [vars(trial) for trial in map(comparable, found)] == [vars(trial) for trial in map(comparable, expected)]
        assert [list(trial.params) for trial in found] == [list(trial.params) for trial in expected]
    assert len(ours.read_trials(study_id, None, set(), -1)) == 6
    assert ours.read_trials(study_id, None, set(), 99) == []
    with pytest.raises(KeyError):
        ours.read_trials(99, None, set(), -1)


def comparable(trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    """NaN is not equal to itself."""
    trial.intermediate_values = {step: str(value) for step, value in trial.intermediate_values.items()}  # type: ignore[misc]
    return trial
