"""Paused trials survive what running ones survive: kills and signals of workers and coordinators, a stopped search."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path

import optuna
import pytest

from tests.conftest import Process, command, start
from tests.faults.helpers import Started, load, wait_for, workers

ASHA = (
    *(
        "--set",
        "trainer.max_epochs=30",
        "--set",
        "trainer.patience=0",
        "--set",
        "space.data={batch_size={choice=[32]}}",
    ),
    *("--set", "sampler={name='RandomSampler'}", "--set", "scheduler={name='asha', min_epochs=3, reduction_factor=2}"),
)
"""Rungs at 3, 6, 12, 24 and 30 epochs of about 0.1 s each."""


@pytest.fixture
def scheduled(place: Path, started: Started) -> Started:
    def start_search(*options: object) -> Process:
        return start("run", *options, *ASHA, cwd=place)

    return start_search


def n_paused(place: Path) -> int:
    return sum(trial.state.name == "WAITING" and bool(trial.user_attrs.get("paused")) for trial in load(place).trials)


def check_scheduled(place: Path, n_trials: int) -> None:
    """Asserts that the study has exactly so many finished trials, and each epoch once, as ``epochs.csv`` has it."""
    trials = load(place).trials
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert any(len(trial.intermediate_values) == 30 for trial in trials)
    for trial in trials:
        folder = place / "studies" / "digits" / f"trial-{trial.number:04d}"
        with (folder / "epochs.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {int(row["epoch"]): float(row["val_acc"]) for row in rows} == trial.intermediate_values
        assert list(trial.intermediate_values) == list(range(len(rows)))
        result = trial.user_attrs["result"]
        assert result["epochs"] == len(rows)
        assert result["value"] == max(trial.intermediate_values.values())
        assert result["stop_reason"] == ("max_epochs" if trial.state.name == "COMPLETE" else "not_resumed")


def whole(place: Path, n_trials: int) -> list[optuna.trial.FrozenTrial]:
    """The trials of the same study without a scheduler."""
    done = command(
        *("run", "--name", "whole", "--n-trials", n_trials, *ASHA, "--set", "scheduler={name='none'}"), cwd=place
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="whole").trials


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["coordinator", "worker", "both"])
def test_kills_cost_nothing(place: Path, scheduled: Started, victim: str) -> None:
    process = scheduled("--n-trials", 6)
    wait_for(lambda: n_paused(place) >= 3 and bool(workers(process)))
    if victim in ("worker", "both"):
        workers(process)[0].kill()
    if victim == "worker":
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    else:
        process.kill()
        process.wait()
        assert n_paused(place) >= 2
        done = command("run", "--n-trials", 6, *ASHA, cwd=place)
        assert done.returncode == 0, done.stdout + done.stderr
    check_scheduled(place, 6)
    for mine, other in zip(load(place).trials, whole(place, 6), strict=True):
        assert mine.params == other.params
        assert mine.intermediate_values.items() <= other.intermediate_values.items()  # to the last bit


def test_a_stopped_search_leaves_them_waiting_and_the_same_command_goes_on(place: Path, scheduled: Started) -> None:
    process = scheduled("--n-trials", 5, "--workers", 1)
    wait_for(lambda: n_paused(place) >= 2)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert {trial.state.name for trial in load(place).trials} <= {"WAITING", "COMPLETE"}
    done = command("run", "--n-trials", 5, "--workers", 1, *ASHA, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_scheduled(place, 5)
    again = command("run", "--n-trials", 5, *ASHA, cwd=place)
    assert again.returncode == 0
    assert "0 epochs" not in again.stderr
    check_scheduled(place, 5)


def test_a_paused_trial_is_ended_by_the_user(place: Path, scheduled: Started) -> None:
    process = scheduled("--n-trials", 4, "--workers", 1)
    wait_for(lambda: n_paused(place) >= 2)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    number = next(trial.number for trial in load(place).trials if trial.user_attrs.get("paused"))
    ended = command("stop", "--study", "digits", "--trial", number, cwd=place)
    assert ended.returncode == 0, ended.stderr
    trial = load(place).trials[number]
    assert trial.state.name == "PRUNED"
    assert trial.user_attrs["result"]["stop_reason"] == "stopped_by_user"
    assert trial.user_attrs["result"]["value"] == max(trial.intermediate_values.values())
    done = command("run", "--n-trials", 4, *ASHA, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(load(place).trials) == 4


def test_members_of_packs_pause_and_a_killed_host_costs_nothing(place: Path, scheduled: Started) -> None:
    process = scheduled("--n-trials", 8, "--pack", 4, "--workers", 1)
    wait_for(lambda: n_paused(place) >= 3 and bool(workers(process)))
    workers(process)[0].kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "trials train in packs of 4" in output
    check_scheduled(place, 8)
