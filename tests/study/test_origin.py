"""Trials that other programs add to a study: one rule, and everybody keeps to it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lightsearch.confirm import candidates
from lightsearch.confirm.evaluation import evaluate
from lightsearch.coordinator.kept_checkpoints import KeptCheckpoints
from lightsearch.coordinator.results import summarise
from lightsearch.errors import UserError
from lightsearch.report import write_report
from lightsearch.report.diagnostics.diagnose import diagnose
from lightsearch.report.tables.trial_table import trial_table
from lightsearch.study import origin
from lightsearch.study.assignment import NoTrialReason
from lightsearch.study.leaders import leaders
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import command, digits, open_queue
from tests.study.test_trial_queue import ask, complete

FOREIGN = "3 trials come from another program; the best of them, trial 3, has val_acc 0.99."


@pytest.fixture
def queue(place: Path) -> TrialQueue:
    """A study with three trials of its own (the best is number 1), and three of a plain ``study.optimize``."""
    queue = open_queue(digits(), place)
    for value in (0.5, 0.9, 0.7):
        complete(queue, ask(queue, 9), value)
    plain = optuna.load_study(study_name="digits", storage=queue.url)
    values = iter((0.99, math.inf))

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("result", {"number": trial.number, "note": "theirs"})
        trial.suggest_int("hidden_size", 16, 512, log=True)
        return next(values)

    plain.optimize(objective, n_trials=2)
    plain.add_trial(create_trial(state=TrialState.FAIL))
    return queue


def test_they_count_and_never_lead(queue: TrialQueue) -> None:
    trials = queue.study.get_trials()
    assert [outcome.number for outcome in leaders(trials, "maximize")] == [1, 2, 0]
    results = summarise(trials, queue.study.user_attrs, "digits")
    assert results["best"]["number"] == 1
    assert results["other_programs"] == {"trials": 3, "counted": 2, "best": {"number": 3, "values": [0.99]}}
    assert queue.ask(5) is NoTrialReason.NONE
    assert queue.is_done(5)
    assert not queue.is_done(6)


def test_the_report_the_findings_and_the_status_say_the_same(queue: TrialQueue, place: Path) -> None:
    write_report(queue.study, place / "report")
    summary = json.loads((place / "report" / "summary.json").read_text())
    assert summary["best"]["number"] == 1
    assert [one["number"] for one in summary["leaders"]] == [1, 2, 0]
    assert summary["headline"].startswith("The best of 3 finished trials reaches val_acc 90.0%")
    (finding,) = [finding for finding in diagnose(queue.study) if finding.code == "others"]
    assert finding.text == FOREIGN
    assert "2 count towards --n-trials" in finding.hint
    assert FOREIGN in [one["text"] for one in summary["findings"]]
    status = command("status", "--study", "digits", cwd=place)
    assert "best      trial 1 complete 0.9" in status.stdout
    assert FOREIGN in status.stdout
    assert command("status", cwd=place).stdout.split()[-1] == "0.9"
    frame = trial_table(queue.study)
    assert frame["value"].tolist()[:4] == [0.5, 0.9, 0.7, 0.99]
    assert frame["kind"].notna().tolist() == [True] * 3 + [False] * 3


def test_they_are_neither_tested_nor_trained_again_nor_kept(queue: TrialQueue) -> None:
    trials = queue.study.get_trials()
    with pytest.raises(UserError, match="comes from another program; name a complete trial: the best is 1"):
        evaluate("digits", url=queue.url, data_dir=None, trial=3)
    with pytest.raises(UserError, match="comes from another program; name a complete or pruned trial"):
        candidates.named(trials, 3)
    leading = candidates.leading(trials, "maximize", 9, "digits")
    assert [one.trial for one in leading] == [1, 2, 0]
    queue.study_file = digits("keep_top_k=3")
    (queue.folder / "trial-0000").mkdir(parents=True)
    (queue.folder / "trial-0000" / "best.ckpt").write_text("0")
    checkpoints = KeptCheckpoints(queue)
    checkpoints.add_earlier({0, 1, 2})
    checkpoints.delete_others(trials)
    assert (queue.folder / "trial-0000" / "best.ckpt").exists()


def test_a_copied_trial_of_another_study_is_not_taken_for_an_own_one(queue: TrialQueue) -> None:
    queue.study.add_trial(queue.study.trials[1])
    copy = queue.study.trials[-1]
    assert copy.user_attrs["result"]["value"] == 0.9
    assert origin.is_foreign(copy)
    assert [outcome.number for outcome in leaders(queue.study.trials, "maximize")] == [1, 2, 0]


def test_a_grid_is_not_through_because_of_points_that_are_not_on_it(place: Path) -> None:
    grid = ("space={data={batch_size={choice=[8, 16]}}}", "sampler={name='GridSampler'}")
    queue = open_queue(digits(*grid), place)
    complete(queue, ask(queue, 9), 0.5)
    plain = optuna.load_study(study_name="digits", storage=queue.url)
    plain.optimize(lambda trial: trial.suggest_float("rate", 0, 1), n_trials=1)
    complete(queue, ask(queue, 9), 0.5)
    assert queue.ask(9) is NoTrialReason.EXHAUSTED


def test_in_a_study_of_another_program_all_trials_are_alike(place: Path) -> None:
    study = optuna.create_study(direction="maximize", study_name="theirs")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    write_report(study, place / "report")
    summary = json.loads((place / "report" / "summary.json").read_text())
    assert summary["best"]["number"] == study.best_trial.number
    assert origin.note(study) is None
