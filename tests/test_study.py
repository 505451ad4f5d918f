import threading
import time
from pathlib import Path

import pytest
from optuna.trial import Trial, TrialState

from lightsearch.errors import UserError
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.study import Assigned, Due, Ledger, differences, find_study, leaders, outcome_of
from tests.conftest import FACTS, digits, open_ledger


def ask(ledger: Ledger, n_trials: int) -> Trial:
    assigned = ledger.ask(n_trials)
    assert isinstance(assigned, Assigned)
    return assigned.trial


def complete(ledger: Ledger, trial: Trial, value: float) -> None:
    ledger.tell(trial._trial_id, Outcome(number=trial.number, kind=Kind.COMPLETE, value=value))


def test_the_budget_is_the_studys_total(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    first, second = ask(ledger, 2), ask(ledger, 2)
    assert ledger.ask(2) is Due.LATER
    complete(ledger, first, 0.5)
    assert ledger.ask(2) is Due.LATER
    error = TrialError(type="E", message="m", traceback="t")
    ledger.tell(second._trial_id, Outcome(number=1, kind=Kind.DIVERGED, error=error))
    third = ask(ledger, 2)  # the failed trial does not count
    ledger.tell(third._trial_id, Outcome(number=2, kind=Kind.PRUNED, value=0.4))
    assert ledger.ask(2) is Due.NONE
    assert isinstance(ledger.ask(3), Assigned)
    states = [trial.state for trial in ledger.study.trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING]


def test_an_interrupted_trial_comes_back_under_its_number_with_its_parameters(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    trial = ask(ledger, 5)
    ledger.tell(trial._trial_id, Outcome(number=0, kind=Kind.INTERRUPTED))
    assert ledger.study.trials[0].state is TrialState.WAITING
    again = ask(open_ledger(digits(), tmp_path), 5)
    assert (again.number, again.params, again.user_attrs["attempt"]) == (0, trial.params, 2)


def test_trials_of_a_dead_coordinator_are_taken_over(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    running, ended = ask(ledger, 5), ask(ledger, 5)
    for trial in (running, ended):
        trial.set_user_attr("owner", {**trial.user_attrs["owner"], "started": 1.0})  # this pid, but long ago
    folder = ledger.folder / "trial-0001"
    folder.mkdir(parents=True)
    result = Outcome(number=1, kind=Kind.COMPLETE, value=0.75)
    (folder / "result.json").write_text(result.model_dump_json())
    assert ask(ledger, 5).number == 0  # taken over, and first to go on
    states = [trial.state for trial in ledger.study.trials]
    assert states == [TrialState.RUNNING, TrialState.COMPLETE]
    assert ledger.study.trials[1].value == 0.75


def test_a_living_owner_keeps_its_trial_until_its_lease_ends(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    trial = ask(ledger, 5)
    trial.set_user_attr("owner", {**trial.user_attrs["owner"], "host": "elsewhere"})
    assert ask(ledger, 5).number == 1
    trial.set_user_attr("lease", time.time() - 1)
    assert ask(ledger, 5).number == 0


def test_trials_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    foreign = ledger.study.ask()
    ledger.study.tell(ledger.study.ask(), 0.99)
    assert ask(ledger, 5).number == 2
    assert ledger.study.trials[foreign.number].state is TrialState.RUNNING
    assert leaders(ledger.study.trials, "maximize") == []


def test_several_coordinators_hand_out_every_trial_once(tmp_path: Path) -> None:
    open_ledger(digits(), tmp_path)
    numbers: list[int] = []

    def coordinate() -> None:
        ledger = open_ledger(digits(), tmp_path)
        while (due := ledger.ask(12)) is not Due.NONE:
            if isinstance(due, Assigned):
                numbers.append(due.trial.number)
                complete(ledger, due.trial, 0.1)

    threads = [threading.Thread(target=coordinate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(12))


def test_enqueued_configurations_run_first(tmp_path: Path) -> None:
    ledger = open_ledger(digits("enqueue=[{hidden_size=33, learning_rate=0.01, batch_size=64}]"), tmp_path)
    assert ask(ledger, 5).params == {"hidden_size": 33, "learning_rate": 0.01, "batch_size": 64}
    assert ask(ledger, 5).params["hidden_size"] != 33


def test_an_enumerating_sampler_ends_when_it_is_through(tmp_path: Path) -> None:
    ledger = open_ledger(digits("space={data={batch_size={choice=[8, 16]}}}", "sampler={name='GridSampler'}"), tmp_path)
    trials = [ask(ledger, 9), ask(ledger, 9)]
    assert ledger.ask(9) is Due.EXHAUSTED
    for trial in trials:
        complete(ledger, trial, 0.5)  # GridSampler wants to stop study.optimize here, which does not run
    assert {trial.params["batch_size"] for trial in trials} == {8, 16}


def test_a_changed_study_is_refused_with_a_diff(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    complete(ledger, ask(ledger, 1), 0.5)
    with pytest.raises(UserError) as refused:
        open_ledger(digits("trainer.max_epochs=7", "direction=minimize"), tmp_path)
    lines = [str(line).strip() for line in refused.value.mistakes]
    assert "trainer.max_epochs: 20 in the study, 7 in the file" in lines
    assert "direction: 'maximize' in the study, 'minimize' in the file" in lines
    assert "--name digits-2" in lines[-1]
    assert len(ledger.study.trials) == 1


def test_changed_data_are_refused(tmp_path: Path) -> None:
    open_ledger(digits(), tmp_path)
    with pytest.raises(UserError, match="split abc in the study, xyz in the files"):
        open_ledger(digits(), tmp_path, facts={**FACTS, "data": {"split_hash": "xyz"}})


def test_a_changed_sampler_is_logged(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    changed = ledger.__class__(digits("sampler.name=RandomSampler"), ledger.storage, ledger.url, ledger.folder)
    assert changed.open(FACTS) == ["sampler.name: 'TPESampler' in the study, 'RandomSampler' in the file"]
    assert changed.study.user_attrs["changes"][0]["changes"]
    assert changed.open(FACTS) == []


def test_the_same_name_in_another_storage_does_not_share_the_folder(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    (ledger.folder / "trial-0000").mkdir(parents=True)
    with pytest.raises(UserError, match="trials of a study in another storage"):
        open_ledger(digits(), tmp_path, f"sqlite:///{tmp_path}/other.db")


def test_the_best_comes_first_and_of_equals_the_earlier(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    for value in (0.5, 0.9, 0.9, 0.1):
        complete(ledger, ask(ledger, 9), value)
    ledger.tell(ask(ledger, 9)._trial_id, Outcome(number=4, kind=Kind.PRUNED, value=0.95))
    trials = ledger.study.trials
    assert [outcome.number for outcome in leaders(trials, "maximize")] == [1, 2, 0, 3]
    assert [outcome.number for outcome in leaders(trials, "minimize", 2)] == [3, 0]
    assert outcome_of(trials[4]) is not None


def test_an_unknown_study_lists_the_ones_there_are(tmp_path: Path) -> None:
    ledger = open_ledger(digits(), tmp_path)
    with pytest.raises(UserError, match="there are: digits"):
        find_study(ledger.storage, "digit")


def test_differences() -> None:
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "d": 3}) == [
        "c: 2 in the study, nothing in the file",
        "d: nothing in the study, 3 in the file",
    ]
