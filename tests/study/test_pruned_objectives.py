"""Searches with several objectives that prune: trials one by one, in packs, and on several devices."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lightsearch.study.epoch_values import epoch_values_of
from tests.conftest import command
from tests.study.test_pareto import brute_force

GOOD = [(16, 0.01), (20, 0.02), (24, 0.015), (18, 0.03)]
BAD = [(200, 1e-4), (250, 1e-4)]
"""Hidden sizes and learning rates: slow to learn, and large. Of the good ones, all are ahead of these at once."""


def options(second: str, sampler: str, **pruner: float) -> list[str]:
    listed = ", ".join(f"{{hidden_size={size}, learning_rate={rate}, batch_size=128}}" for size, rate in [*GOOD, *BAD])
    arguments = ", ".join(f"{name}={value}" for name, value in pruner.items())
    startup = {"TPESampler": "n_startup_trials=3", "NSGAIISampler": "population_size=4"}[sampler]
    overrides = (
        f'metric=["val_acc", "{second}"]',
        'direction=["maximize", "minimize"]',
        f"pruner={{name='DominatedPruner', init_args={{{arguments}}}}}",
        f"sampler={{name='{sampler}', init_args={{{startup}}}}}",
        f"enqueue=[{listed}]",
        "trainer.max_epochs=6",
        "keep_top_k=1",
    )
    return [word for override in overrides for word in ("--set", override)]


def load(place: Path) -> optuna.Study:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits")


def check(place: Path, study: optuna.Study, second: str) -> None:
    """Asserts what holds of any search with two objectives that prunes."""
    folder = place / "studies" / "digits"
    for trial in study.trials:
        result: dict[str, Any] = trial.user_attrs["result"]
        with (folder / f"trial-{trial.number:04d}" / "epochs.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        expected = {
            int(row["epoch"]): [float(row["val_acc"]), float(row.get(second, result["metrics"][second]))]
            for row in rows
        }
        assert epoch_values_of(trial) == expected
        assert not trial.intermediate_values, "the sampler of Optuna fails on a pruned trial that has some"
        assert result["value"] == max(value for value, _ in expected.values())
        if trial.state is TrialState.PRUNED:
            assert (result["stop_reason"], trial.values) == ("pruned", None)
            assert len(rows) == result["epochs"] < 6
        else:
            assert trial.state is TrialState.COMPLETE
            assert trial.values == [result["value"], result["metrics"][second]]
    results = json.loads((folder / "results.json").read_text())
    front = {entry["number"] for entry in results["front"]}
    assert front == brute_force(study.trials, ["maximize", "minimize"])
    pruned = [trial for trial in study.trials if trial.state is TrialState.PRUNED]
    saved = sum(6 - trial.user_attrs["result"]["epochs"] for trial in pruned)
    assert results["epochs"]["saved_by_pruning"] == saved > 0


@pytest.mark.parametrize(("second", "sampler"), [("parameters", "TPESampler"), ("val_loss", "NSGAIISampler")])
def test_dominated_trials_are_pruned(place: Path, second: str, sampler: str) -> None:
    words = [*options(second, sampler, margin=0.1, n_startup_trials=3, n_warmup_steps=0), "--workers", 1]
    done = command("run", "--n-trials", 6, *words, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [trial.state.name for trial in load(place).trials[4:]] == ["PRUNED", "PRUNED"]
    done = command("run", "--n-trials", 10, *words, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    study = load(place)
    assert len(study.trials) == 10
    check(place, study, second)

    reported = command("report", "--study", "digits", cwd=place)
    assert reported.returncode == 0, reported.stderr
    page = (place / "reports" / "digits" / "report.html").read_text()
    assert "DominatedPruner" in page
    assert "pruned here" in page
    assert command("status", "--study", "digits", cwd=place).returncode == 0
    assert command("evaluate", "--study", "digits", cwd=place).returncode == 0


def test_members_of_packs_are_pruned(place: Path) -> None:
    words = options("parameters", "TPESampler", margin=0.1, n_startup_trials=1, n_warmup_steps=0)
    done = command("run", "--n-trials", 10, "--pack", 4, "--workers", 1, *words, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trials train in packs of 4" in done.stdout
    study = load(place)
    assert [trial.state.name for trial in study.trials[4:6]] == ["PRUNED", "PRUNED"]
    assert all(trial.user_attrs["result"]["epoch_seeds"] for trial in study.trials)
    check(place, study, "parameters")


def test_two_workers_prune_by_each_others_trials(place: Path) -> None:
    words = options("parameters", "TPESampler", margin=0.1, n_startup_trials=2, n_warmup_steps=0)
    done = command("run", "--n-trials", 10, "--workers", 2, "--pack", "off", *words, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    study = load(place)
    assert {trial.state.name for trial in study.trials[4:6]} == {"PRUNED"}
    check(place, study, "parameters")


@pytest.mark.slow
def test_a_trial_on_two_devices_is_pruned(place: Path) -> None:
    words = options("parameters", "TPESampler", margin=0.1, n_startup_trials=3, n_warmup_steps=0)
    devices = ("--set", "trainer.devices=2", "--set", "trainer.accelerator=cpu", "--set", "trainer.strategy=ddp_spawn")
    done = command("run", "--n-trials", 6, "--workers", 1, *words, *devices, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    study = load(place)
    assert study.trials[4].state is TrialState.PRUNED
    assert study.trials[4].user_attrs["result"]["device"] == "2 x cpu"
    check(place, study, "parameters")
