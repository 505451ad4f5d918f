"""Population based training survives kills: the study becomes the one that it would have become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.study.lineage import start_of
from tests.conftest import command
from tests.conftest import start as start_command
from tests.faults.helpers import load, wait_for, workers

# An epoch takes about half a second: long enough for a search to be killed while a copy trains.
PBT = (
    *("--set", "trainer.max_epochs=4", "--set", "trainer.patience=0", "--pack", "off", "--n-trials", 5, "--workers", 2),
    *("--set", "space.data={batch_size={choice=[4]}}", "--set", "sampler={name='RandomSampler'}"),
    *("--set", "scheduler={name='pbt', population=4, interval=2}"),
)


def what(trials: list[optuna.trial.FrozenTrial]) -> list[Any]:
    return [(one.params, one.intermediate_values, one.state, start_of(one.user_attrs)) for one in trials]


@pytest.mark.slow
def test_a_killed_search_makes_the_same_copies(place: Path) -> None:
    process = start_command("run", *PBT, cwd=place)

    def copying() -> bool:
        return any(start_of(trial.user_attrs) for trial in load(place).trials) and bool(workers(process))

    wait_for(copying)
    for worker in workers(process):
        worker.kill()
    process.kill()
    process.wait()
    done = command("run", *PBT, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    whole = command("run", "--name", "whole", *PBT, cwd=place)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    other = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="whole").trials
    assert what(load(place).trials) == what(other)
    assert sum(len(trial.intermediate_values) for trial in other) == 4 * 4
