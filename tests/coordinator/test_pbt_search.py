"""A whole search with population based training: what its trials say, and what repeats a trial with a schedule."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.report.tables.trial_table import trial_table
from lightsearch.study.lineage import lineage, schedule, start_of
from lightsearch.study.samplers import trial_seed
from tests.conftest import command, enter

PBT = (
    *("--workers", 1, "--pack", "off", "--set", "trainer.max_epochs=6", "--set", "trainer.patience=0"),
    *("--set", "space.data={batch_size={choice=[128]}}", "--set", "scheduler={name='pbt', population=4, interval=2}"),
)


def trials_in(place: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits").trials


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population of four, of which one is replaced after two epochs and one after four."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("pbt"), patch)
    done = command("run", "--n-trials", 6, *PBT, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def copies(place: Path) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in trials_in(place) if start_of(trial.user_attrs) is not None]


def test_a_trial_has_one_set_of_parameters_and_its_own_epochs(searched: Path) -> None:
    trials = trials_in(searched)
    assert [trial.state.name for trial in trials].count("COMPLETE") == 4
    assert sum(len(trial.intermediate_values) for trial in trials) == 4 * 6
    found = copies(searched)
    assert [list(trial.intermediate_values) for trial in found] == [[2, 3, 4, 5], [4, 5]]
    for trial in found:
        start = start_of(trial.user_attrs)
        assert start is not None
        parent, loser = trials[start.parent], trials[start.replaces]
        assert loser.user_attrs["result"]["stop_reason"] == f"replaced by a copy of trial {parent.number}"
        assert (loser.state.name, list(loser.intermediate_values)) == ("PRUNED", list(range(start.epochs)))
        assert {**trial.params, "learning_rate": 0} == {**parent.params, "learning_rate": 0}
        result = trial.user_attrs["result"]
        assert (result["epochs"], result["first_epoch"]) == (len(trial.intermediate_values), start.epochs)
        assert result["value"] == max(trial.intermediate_values.values())
        assert result["seed"] == trial_seed(42, start.root)
        assert trial.user_attrs["decisions"][0]["after"] == start.epochs
        with (searched / "studies" / "digits" / f"trial-{trial.number:04d}" / "epochs.csv").open() as file:
            assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(trial.intermediate_values)
    results = json.loads((searched / "studies" / "digits" / "results.json").read_text())
    assert results["epochs"]["trained"] == 24


def test_the_lineage_is_the_schedule(searched: Path) -> None:
    trials, copy = trials_in(searched), copies(searched)[-1]
    segments = lineage(trials, copy.number)
    assert [one.first for one in segments] == [0, *(one.until for one in segments[:-1])]
    assert segments[-1].until == 6
    line = schedule(trials, copy.number)
    assert line is not None
    assert line.endswith(f"epochs 5-6 learning_rate {copy.params['learning_rate']:.4g} (trial {copy.number})")
    assert schedule(trials, segments[0].trial) is None
    study = optuna.load_study(storage=f"sqlite:///{searched}/studies/studies.db", study_name="digits")
    table = trial_table(study).set_index("number")
    assert table["schedule"].notna().sum() == 2
    assert (table["schedule"][copy.number], table["parent"][copy.number]) == (line, segments[-2].trial)
    best = max((one for one in trials if one.state.name == "COMPLETE"), key=lambda one: one.value or 0.0)
    shown = command("status", "--study", "digits", cwd=searched)
    assert ("schedule  epochs 1-" in shown.stdout) == (start_of(best.user_attrs) is not None), (
        shown.stdout + shown.stderr
    )


def test_a_copy_is_reproduced_to_the_bit_by_repeating_its_schedule(searched: Path) -> None:
    copy = copies(searched)[-1]
    ended = command("retrain", "--reproduce", copy.number, cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"trial {copy.number} is reproduced to the bit: " in ended.stdout
    assert "its training repeats the schedule: epochs 1-" in ended.stdout + ended.stderr
    loser = next(trial for trial in trials_in(searched) if trial.state.name == "PRUNED")
    ended = command("retrain", "--reproduce", loser.number, cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_retraining_repeats_the_schedule_on_fresh_seeds(searched: Path) -> None:
    copy = copies(searched)[-1]
    ended = command("retrain", "--trial", copy.number, "--seeds", 1, "--on", "train+val", cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    folder = searched / "studies" / "digits" / "retrain" / f"confirm-trial-{copy.number:04d}-seed-0"
    run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    segments = lineage(trials_in(searched), copy.number)
    assert [(one["epochs"], one["params"]) for one in run["earlier"]] == [
        (one.until, one.params) for one in segments[:-1]
    ]
    for index, segment in enumerate(segments):
        part = folder / f"phase-{index}" if segment is not segments[-1] else folder
        with (part / "epochs.csv").open() as file:
            assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(segment.first, segment.until))
    card = (searched / "reports" / "digits" / "final" / "README.md").read_text()
    assert f"up to epoch {segments[0].until}, then" in card
