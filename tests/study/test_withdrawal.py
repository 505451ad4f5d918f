"""Trials that the user ends: what is recorded of them, without a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest

import lightsearch
from lightsearch.coordinator.failure_policy import FailurePolicy
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.budget import Budget
from lightsearch.study.requests import ask_to_stop, read_requests
from lightsearch.study.searches import Registration, running_searches
from lightsearch.study.trial_queue import TrialQueue
from lightsearch.study.withdrawal import Withdrawal, withdraw, withdrawn_outcome
from lightsearch.study.worker_trial import attach_trial
from tests.conftest import digits, open_queue


def assigned(queue: TrialQueue) -> TrialAssignment:
    trial = queue.ask(10)
    assert isinstance(trial, TrialAssignment)
    return trial


def end(queue: TrialQueue, number: int) -> Withdrawal:
    return withdraw(queue.study, queue.storage, queue.url, queue.folder, number)


@pytest.mark.parametrize(("direction", "best"), [("maximize", (1, 0.9)), ("minimize", (2, 0.2))])
def test_without_a_file_the_storage_knows_the_best_epoch(place: Path, direction: str, best: tuple[int, float]) -> None:
    queue = open_queue(digits(f"direction={direction}"), place)
    trial = assigned(queue)
    for step, value in enumerate((0.5, 0.9, 0.2)):
        queue.storage.set_trial_intermediate_value(trial.trial_id, step, value)
    outcome = withdrawn_outcome(queue.storage.get_trial(trial.trial_id), queue.study_file, None, 1)
    assert (outcome.kind, outcome.best_epoch, outcome.value, outcome.epochs) == (Kind.PRUNED, *best, 3)


def test_with_several_objectives_too(place: Path) -> None:
    objectives = ('metric=["val_acc", "val_loss"]', 'direction=["maximize", "minimize"]', "pruner.name=DominatedPruner")
    queue = open_queue(digits(*objectives), place)
    trial = assigned(queue)
    running = attach_trial(queue.study_file, queue.url, trial.trial_id).trial
    for step, values in enumerate(([0.5, 0.1], [0.9, 0.4], [0.2, 0.3])):
        running.report_all(values, step)
    outcome = withdrawn_outcome(queue.storage.get_trial(trial.trial_id), queue.study_file, None, 1)
    assert (outcome.kind, outcome.best_epoch, outcome.value, outcome.epochs) == (Kind.PRUNED, 1, 0.9, 3)


def test_an_interrupted_trial_keeps_what_its_process_wrote(place: Path) -> None:
    queue = open_queue(digits(), place)
    trial = assigned(queue)
    folder = queue.folder / "trial-0000"
    folder.mkdir(parents=True)
    written = Outcome(number=0, kind=Kind.INTERRUPTED, value=0.7, epochs=4, checkpoint="trial-0000/best.ckpt")
    (folder / "result.json").write_text(written.model_dump_json())
    queue.tell(trial, Outcome(number=0, kind=Kind.INTERRUPTED))
    assert end(queue, 0) is Withdrawal.ENDED
    assert end(queue, 0) is Withdrawal.FINISHED
    (recorded,) = queue.study.trials
    assert recorded.state.name == "PRUNED"
    assert recorded.user_attrs["result"]["checkpoint"] == "trial-0000/best.ckpt"
    with pytest.raises(UserError, match="the study has trials 0 to 0"):
        end(queue, 1)


def test_a_trial_of_another_program_is_refused(place: Path) -> None:
    queue = open_queue(digits(), place)
    queue.study.ask()
    with pytest.raises(UserError, match="another program runs it"):
        end(queue, 0)


def test_withdrawn_trials_do_not_stop_a_search() -> None:
    policy = FailurePolicy()
    assert not any(policy.judge(Outcome(number=n, kind=Kind.WITHDRAWN), 1) for n in range(40))


def test_requests_and_searches_are_kept_with_the_study(place: Path) -> None:
    queue = open_queue(digits(), place)
    study_id = queue.study._study_id
    search = Registration(queue.storage, study_id, Budget(50))
    began = search.enter()
    assert [one.budget for one in running_searches(queue.storage, study_id)] == [Budget(50)]
    ask_to_stop(queue.storage, study_id)
    assert read_requests(queue.storage, study_id).stopped_at > began
    assert end_of_running(queue) == {0}
    search.leave()
    assert running_searches(queue.storage, study_id) == []
    assert Registration(queue.storage, study_id, Budget(50)).enter() > read_requests(queue.storage, study_id).stopped_at


def end_of_running(queue: TrialQueue) -> frozenset[int]:
    assigned(queue)
    assert end(queue, 0) is Withdrawal.ASKED
    return read_requests(queue.storage, queue.study._study_id).trials


def test_enqueue_from_python(place: Path) -> None:
    queue = open_queue(digits(), place)
    assert lightsearch.enqueue("digits", hidden_size=np.int64(64)) == 0
    assert lightsearch.enqueue("digits", {"learning_rate": 1e-3}) == 1
    with pytest.raises(UserError, match="hidden_size takes"):
        lightsearch.enqueue("digits", hidden_size=1)
    with pytest.raises(UserError, match=r"^study = 'mnist': no such study in the storage; there are: digits"):
        lightsearch.enqueue("mnist", hidden_size=64)
    assert assigned(queue).params["hidden_size"] == 64


def test_a_whole_number_is_a_real_one(place: Path) -> None:
    queue = open_queue(digits("space.model={learning_rate={float=[0.1,1.0]}}"), place)
    lightsearch.enqueue("digits", learning_rate=1)
    assert isinstance(assigned(queue).params["learning_rate"], float)


def test_the_values_of_a_function_are_those_that_it_samples(place: Path) -> None:
    study_file = StudyFile.model_validate({"name": "function", "objective": "a.module", "direction": "minimize"})
    study = open_queue(study_file, place).study
    _function(study.ask())
    lightsearch.enqueue("function", x=1, n=6)
    trial = study.ask()
    _function(trial)
    assert [type(value) for value in (trial.suggest_float("x", 0, 1), trial.params["n"])] == [float, int]
    with pytest.raises(UserError, match="n = 7: n takes whole numbers from 0 to 10 in steps of 2"):
        lightsearch.enqueue("function", n=7)


def _function(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 0, 10, step=2)
