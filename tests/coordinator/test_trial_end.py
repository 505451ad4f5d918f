"""A function of the user's that is called after each trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

import lightsearch
from lightsearch.coordinator.ending import Ending
from tests.points import Net, Points

STUDY: dict[str, Any] = {
    "name": "points",
    "model": Net,
    "data": Points,
    "space": {"model": {"lr": {"float": [1e-3, 1e-1]}}},
    "trainer": {"max_epochs": 1, "accelerator": "cpu"},
}


def test_it_sees_each_trial_and_stops_the_search(place: Path) -> None:
    seen: list[FrozenTrial] = []

    def after(study: optuna.Study, trial: FrozenTrial) -> None:
        seen.append(trial)
        if trial.number == 1:
            study.stop()

    def fails(*_: Any) -> None:
        raise LookupError("mine")

    result = lightsearch.search(STUDY, 4, workers=0, on_trial_end=after)
    assert result.ending is Ending.CALLBACK
    assert [trial.number for trial in seen] == [0, 1]
    assert [trial.value for trial in seen] == [trial.value for trial in result.study.trials]
    with pytest.raises(LookupError, match="mine"):
        lightsearch.search(STUDY, 4, workers=0, on_trial_end=fails)
    result = lightsearch.search(STUDY, 4, workers=0)
    assert result.ending is Ending.DONE
    assert [trial.state for trial in result.study.trials] == [TrialState.COMPLETE] * 4
