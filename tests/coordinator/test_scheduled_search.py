"""Whole searches with a scheduler: what they leave in the study, and what a budget means."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.declare.study_file import StudyFile
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.schedulers import Progress
from lightsearch.study.scheduling import as_curve
from lightsearch.study.stalling import has_stalled
from tests.conftest import command, digits

SHORT = ("--workers", 1, "--pack", "off", "--set", "trainer.max_epochs=8", "--set", "trainer.patience=0")


def run(*options: object, place: Path) -> str:
    done = command("run", *SHORT, *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def trials_in(place: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits").trials


def results_in(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "studies" / "digits" / "results.json").read_text())
    return found


def test_by_default_trials_pause_and_the_best_one_is_trained_to_its_end(place: Path) -> None:
    run("--n-trials", 8, place=place)
    trials = trials_in(place)
    assert len(trials) == 8
    assert all(trial.state.is_finished() for trial in trials)
    best = max(trials, key=lambda trial: max(trial.intermediate_values.values()))
    assert best.state.name == "COMPLETE"
    assert len(best.intermediate_values) == 8
    assert results_in(place)["best"]["number"] == best.number
    resumed = [trial for trial in trials if trial.user_attrs["attempt"] > 1]
    assert resumed
    for trial in trials:
        decisions = trial.user_attrs["decisions"]
        assert len(decisions) == trial.user_attrs["attempt"]
        assert all(decision["reason"] for decision in decisions)
        assert decisions[0]["after"] == 0
    left = [trial for trial in trials if trial.state.name == "PRUNED"]
    assert {trial.user_attrs["result"]["stop_reason"] for trial in left} <= {"not_resumed"}
    for trial in left:  # their checkpoints are gone, and nothing names them
        folder = place / "studies" / "digits" / f"trial-{trial.number:04d}"
        assert not list(folder.glob("*.ckpt"))
        result = json.loads((folder / "result.json").read_text())
        assert (result["checkpoint"], result["stop_reason"], result["kind"]) == (None, "not_resumed", "pruned")


def test_trials_that_early_stopping_would_end_go_on_and_are_complete_at_the_end(place: Path) -> None:
    run("--n-trials", 10, "--set", "trainer.patience=1", place=place)
    study_file, results = digits("trainer.max_epochs=8", "trainer.patience=1"), results_in(place)
    stalled = [trial for trial in trials_in(place) if has_stalled(curve_of(trial), study_file)]
    complete = [trial for trial in trials_in(place) if trial.state.name == "COMPLETE"]
    assert stalled
    for trial in stalled:
        reason = "max_epochs" if len(curve_of(trial)) == 8 else "early_stopping"
        assert (trial.state.name, trial.user_attrs["result"]["stop_reason"]) == ("COMPLETE", reason)
        assert trial.value == max(curve_of(trial).values())
    assert all(len(curve_of(trial)) == 8 for trial in complete if trial not in stalled)
    assert any(_stalls_within(curve_of(trial), study_file) for trial in trials_in(place))  # and trained on
    best = place / "studies" / "digits" / f"trial-{results['best']['number']:04d}" / "best.ckpt"
    assert hashlib.sha256(best.read_bytes()).hexdigest() == results["best"]["sha256"]


def _stalls_within(curve: dict[int, float], study_file: StudyFile) -> bool:
    """Whether early stopping would have ended a training before its last epoch."""
    return any(has_stalled({one: curve[one] for one in range(last)}, study_file) for last in range(1, len(curve)))


@pytest.mark.slow
def test_a_budget_in_epochs_is_kept_and_continued(place: Path) -> None:
    run("--epochs", 30, place=place)
    trials = trials_in(place)
    epochs = sum(len(trial.intermediate_values) for trial in trials)
    assert 24 <= epochs <= 30
    assert all(trial.state.is_finished() for trial in trials)
    best = max(trials, key=lambda trial: max(trial.intermediate_values.values()))
    assert best.state.name == "COMPLETE"
    run("--epochs", 44, place=place)
    assert epochs < sum(len(trial.intermediate_values) for trial in trials_in(place)) <= 44
    assert len(trials_in(place)) > len(trials)


def test_epochs_that_are_not_validated_count(place: Path) -> None:
    run("--epochs", 24, "--set", "trainer.check_val_every_n_epoch=2", place=place)
    trained = [trial.user_attrs["result"]["epochs"] for trial in trials_in(place)]
    assert 24 - 8 < sum(trained) <= 26
    assert "COMPLETE" in {trial.state.name for trial in trials_in(place)}


def test_a_budget_in_epochs_without_a_scheduler_begins_no_trial_after_it(place: Path) -> None:
    run("--epochs", 20, "--set", "pruner={name='NopPruner'}", place=place)
    assert [len(trial.intermediate_values) for trial in trials_in(place)] == [8, 8, 8]


def test_the_same_command_makes_the_same_decisions(place: Path) -> None:
    run("--n-trials", 6, place=place)
    first = [(trial.params, trial.intermediate_values, trial.user_attrs["decisions"]) for trial in trials_in(place)]
    assert command("delete", "--study", "digits", "--yes", cwd=place).returncode == 0
    run("--n-trials", 6, place=place)
    assert first == [(one.params, one.intermediate_values, one.user_attrs["decisions"]) for one in trials_in(place)]


def test_an_enqueued_trial_pauses_too(place: Path) -> None:
    run("--n-trials", 3, "--set", "enqueue=[{hidden_size=99}]", place=place)
    first = trials_in(place)[0]
    assert first.params["hidden_size"] == 99
    assert first.user_attrs["until"] is not None


def test_no_more_trials_begin_than_were_asked_for_if_more_are_enqueued(place: Path) -> None:
    enqueued = ", ".join(f"{{hidden_size={width}}}" for width in (20, 30, 40, 50))
    run("--n-trials", 2, "--set", f"enqueue=[{enqueued}]", place=place)
    assert [trial.state.name for trial in trials_in(place)][2:] == ["WAITING"] * 2
    assert all(trial.state.is_finished() for trial in trials_in(place)[:2])
    run("--n-trials", 4, place=place)
    assert [trial.params["hidden_size"] for trial in trials_in(place)] == [20, 30, 40, 50]


@pytest.mark.parametrize("scheduler", ["asha", pytest.param("hyperband", marks=pytest.mark.slow)])
def test_promotion_with_a_sampler_of_optunas(place: Path, scheduler: str) -> None:
    options = ("--set", f"scheduler={{name='{scheduler}', reduction_factor=2}}", "--set", "sampler={name='QMCSampler'}")
    run("--n-trials", 6, *options, place=place)
    trials = trials_in(place)
    assert len({tuple(trial.params.values()) for trial in trials}) == 6
    assert len({len(trial.intermediate_values) for trial in trials}) > 1
    assert all(as_curve(trial).progress is Progress.FINISHED for trial in trials)


def test_a_scheduler_that_a_study_cannot_have_is_a_line(place: Path) -> None:
    for options, line in {
        (
            "scheduler={name='asha'}",
            "pruner={name='NopPruner'}",
        ): "pruner.name = 'NopPruner': has no effect: asha pauses",
        ("scheduler={name='freeze_thaw', min_epochs=2}",): "scheduler.min_epochs = 2: is of asha and hyperband",
        ("scheduler={name='freeze_thaw'}", "constraints.parameters=9999"): "it knows nothing of [constraints]",
        ("scheduler={name='hyperband', min_epochs=8}",): "leaves one rung; write less than trainer.max_epochs = 8",
        ("scheduler={name='fast'}",): "name = 'fast': should be 'freeze_thaw', 'asha', 'hyperband', 'pbt' or 'none'",
    }.items():
        done = command("run", *SHORT, *(word for option in options for word in ("--set", option)), cwd=place)
        assert done.returncode == 2
        assert line in done.stderr, done.stderr
    assert not (place / "studies" / "studies.db").exists()
