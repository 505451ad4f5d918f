"""What a study requires of its storage: the same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

import multiprocessing
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.storage.locks import storage_lock, storage_time
from lightsearch.storage.opening import open_storage
from lightsearch.study import trial_queue
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.creation import study_names
from lightsearch.study.epoch_values import EPOCH_VALUES, epoch_values_of
from lightsearch.study.leaders import leaders
from lightsearch.study.trial_queue import TrialQueue
from lightsearch.study.worker_trial import attach_trial
from tests import postgresql
from tests.conftest import digits, open_queue
from tests.study.test_trial_queue import ask, complete

SEVERAL = (
    *('metric=["val_acc", "val_loss"]', 'direction=["maximize", "minimize"]', "pruner={name='DominatedPruner'}"),
    "sampler={name='TPESampler', init_args={n_startup_trials=3}}",
)


def _work(url: str, folder: Path, barrier: Any, n_trials: int) -> None:
    """A process that opens the storage together with others, and works on one study with them."""
    barrier.wait()
    queue = open_queue(digits(), folder, url)
    while (answer := queue.ask(n_trials)) is not NoTrialReason.NONE:
        if isinstance(answer, TrialAssignment):
            time.sleep(0.1)  # it trains; meanwhile the others ask
            complete(queue, answer, 0.1)


class StorageContract:
    url: str
    folder: Path

    def queue(self, *overrides: str) -> TrialQueue:
        """The study as one more coordinator opens it."""
        return open_queue(digits(*overrides), self.folder, self.url)

    def test_the_budget_is_the_studys_total(self) -> None:
        queue = self.queue()
        first, second = ask(queue, 2), ask(queue, 2)
        assert queue.ask(2) is NoTrialReason.LATER
        complete(queue, first, 0.5)
        assert queue.ask(2) is NoTrialReason.LATER
        error = TrialError(type="E", message="m", traceback="t")
        queue.tell(second, Outcome(number=1, kind=Kind.DIVERGED, error=error))
        third = ask(queue, 2)  # the failed trial does not count
        queue.tell(third, Outcome(number=2, kind=Kind.PRUNED, value=0.4))
        assert queue.ask(2) is NoTrialReason.NONE
        assert isinstance(queue.ask(3), TrialAssignment)
        states = [trial.state for trial in queue.study.trials]
        assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING]

    def test_what_an_earlier_attempt_reported_is_taken_back(self) -> None:
        queue = self.queue()
        assigned = ask(queue, 1)
        for steps, values in (((0, 1, 2), (0.1, 0.2, 0.3)), ((1,), (0.7,))):
            trial = attach_trial(queue.study_file, self.url, assigned.trial_id).trial
            for step, value in zip(steps, values, strict=True):
                trial.report(value, step)
        assert self.queue().study.trials[0].intermediate_values == {0: 0.1, 1: 0.7}

    def test_several_objectives_are_reported_taken_back_and_pruned_by(self) -> None:
        queue = self.queue(*SEVERAL)
        for number in range(6):
            assigned = ask(queue, 9)
            trial = attach_trial(queue.study_file, self.url, assigned.trial_id).trial
            for step in range(3):
                trial.report_all([0.9 + step / 100, 0.1], step)
                assert not trial.should_prune()
            kind = Kind.COMPLETE if number < 5 else Kind.PRUNED
            metrics = {"val_acc": 0.92, "val_loss": 0.1}
            assert queue.tell(assigned, Outcome(number=number, kind=kind, value=0.92, metrics=metrics))
        late = ask(queue, 9)
        history = queue.history()
        assert history is not None
        first = attach_trial(queue.study_file, self.url, late.trial_id, history).trial
        for step, values in enumerate(([0.95, 0.05], [0.8, 0.3], [0.2, 0.9])):
            first.report_all(values, step)
            assert not first.should_prune()  # it was ahead once
        again = attach_trial(queue.study_file, self.url, late.trial_id, history).trial
        again.take_back(0)
        assert epoch_values_of(self.queue(*SEVERAL).study.trials[6]) == {}
        again.report_all([0.8, 0.3], 0)
        assert not again.should_prune()  # in the first epoch
        again.report_all([0.85, 0.2], 1)
        assert again.should_prune()
        read = self.queue(*SEVERAL).study.trials
        assert epoch_values_of(read[6]) == {0: [0.8, 0.3], 1: [0.85, 0.2]}
        assert [trial.intermediate_values for trial in read] == [{}] * 7
        assert [trial.values for trial in read] == [[0.92, 0.1]] * 5 + [None] * 2
        given = again.study.get_trials()[:6]
        assert [epoch_values_of(trial) for trial in given] == [epoch_values_of(trial) for trial in read[:6]]
        assert {key for trial in given for key in trial.user_attrs} == {EPOCH_VALUES}, "a history is small"
        assert ask(queue, 9).params.keys() == late.params.keys(), "the sampler takes pruned trials without values"

    def test_an_interrupted_trial_comes_back_under_its_number_with_its_parameters(self) -> None:
        queue = self.queue()
        trial = ask(queue, 5)
        queue.tell(trial, Outcome(number=0, kind=Kind.INTERRUPTED))
        assert queue.study.trials[0].state is TrialState.WAITING
        again = ask(self.queue(), 5)
        assert (again.number, again.params, again.attempt) == (0, trial.params, 2)

    def test_enqueued_configurations_run_first(self) -> None:
        queue = self.queue("enqueue=[{hidden_size=33, learning_rate=0.01, batch_size=64}]")
        assert ask(queue, 5).params == {"hidden_size": 33, "learning_rate": 0.01, "batch_size": 64}
        assert ask(queue, 5).params["hidden_size"] != 33

    def test_trials_of_a_dead_coordinator_are_taken_over(self) -> None:
        queue = self.queue()
        for _ in range(2):
            trial = ask(queue, 5)
            owner = queue.study.trials[trial.number].user_attrs["owner"]
            queue.storage.set_trial_user_attr(trial.trial_id, "owner", {**owner, "started": 1.0})  # this pid, long ago
        folder = queue.folder / "trial-0001"
        folder.mkdir(parents=True)
        result = Outcome(number=1, kind=Kind.COMPLETE, value=0.75)
        (folder / "result.json").write_text(result.model_dump_json())
        other = self.queue()
        assert ask(other, 5).number == 0  # taken over, and first to go on
        states = [trial.state for trial in other.study.trials]
        assert states == [TrialState.RUNNING, TrialState.COMPLETE]
        assert other.study.trials[1].value == 0.75

    def test_a_living_owner_keeps_its_trial_until_its_lease_ends(self) -> None:
        late, other = self.queue(), self.queue()
        trial = ask(late, 5)
        assert late.renew([trial]) == []
        assert ask(other, 5).number == 1
        late.storage.set_trial_user_attr(trial.trial_id, "lease", storage_time(late.storage) - 1)
        taken = ask(other, 5)
        assert (taken.number, taken.attempt) == (0, 2)
        # The late one comes back, and finds that the trial is another's.
        assert late.renew([trial]) == [trial]
        assert late.start_again(trial) is None
        assert not late.tell(trial, Outcome(number=0, kind=Kind.COMPLETE, value=0.1))
        complete(other, taken, 0.9)
        assert not late.tell(trial, Outcome(number=0, kind=Kind.COMPLETE, value=0.1))
        assert other.study.trials[0].value == 0.9

    def test_a_worker_sees_that_its_trial_was_taken_over(self) -> None:
        late, other = self.queue(), self.queue()
        trial = ask(late, 5)
        _, newest_attempt = attach_trial(digits(), self.url, trial.trial_id)
        assert newest_attempt() == 1
        late.storage.set_trial_user_attr(trial.trial_id, "lease", 0)
        ask(other, 5)
        assert newest_attempt() == 2

    def test_a_worker_that_is_given_the_history_sees_what_one_sees_that_reads_it(self) -> None:
        queue = self.queue("pruner={name='MedianPruner'}")
        for value in (0.1, 0.2):
            complete(queue, ask(queue, 9), value)
        running, mine = ask(queue, 9), ask(queue, 9)
        history = queue.history()
        assert history is not None
        complete(queue, running, 0.3)  # ended, and asked for, after the history was taken
        ask(queue, 9)
        given, _ = attach_trial(digits(), self.url, mine.trial_id, history)
        read, _ = attach_trial(digits(), self.url, mine.trial_id)
        for _ in range(2):
            seen, known = read.study.get_trials(), given.study.get_trials()
            assert [(trial.number, trial.state, trial.values) for trial in known] == [
                (trial.number, trial.state, trial.values) for trial in seen
            ]
            assert [trial.intermediate_values for trial in known] == [trial.intermediate_values for trial in seen]
            assert [trial.state.name for trial in seen] == ["COMPLETE"] * 3 + ["RUNNING"] * 2

    def test_a_trial_whose_answer_was_cut_off_is_found_again(self) -> None:
        queue = self.queue()
        trial = ask(queue, 5)
        queue._leases.held.clear()  # as if asking had failed after the storage had done it
        again = ask(queue, 5)
        assert (again.number, again.attempt) == (trial.number, 2)

    def test_killed_while_it_samples_a_coordinator_leaves_nothing_running_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue = self.queue()

        def cut_off(*_: object) -> None:
            raise ConnectionError

        monkeypatch.setattr(trial_queue, "Trial", cut_off)
        monkeypatch.setattr(TrialQueue, "_give_back", cut_off)  # nor can it give the trial back
        with pytest.raises(ResourceUnavailable):
            queue.ask(1)
        monkeypatch.undo()
        (trial,) = queue.study.trials
        owner = {**trial.user_attrs["owner"], "started": 1.0}  # it is gone
        queue.storage.set_trial_user_attr(trial._trial_id, "owner", owner)
        again = ask(self.queue(), 1)
        assert (again.number, again.attempt, len(again.params)) == (0, 2, 3)

    def test_half_sampled_parameters_are_forgotten_and_a_study_is_declared_anew(self) -> None:
        queue = self.queue("sampler.name=RandomSampler")
        first = ask(queue, 1)
        queue.tell(first, Outcome(number=0, kind=Kind.INTERRUPTED))
        queue.storage.forget_params(first.trial_id)
        assert queue.study.trials[0].params == {}
        assert ask(queue, 1).params == first.params  # as they were drawn the first time
        queue.tell(first._replace(attempt=2), Outcome(number=0, kind=Kind.INTERRUPTED))
        anew = self.queue("metric=['val_acc', 'val_loss']", "direction=['maximize', 'minimize']")
        assert len(anew.study.directions) == 2
        assert study_names(anew.storage) == ["digits", "digits.before-1"]
        assert ask(anew, 1).number == 0

    def test_one_samples_while_another_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        queue, other = self.queue(), self.queue()
        between: list[TrialAssignment] = []

        def trial_of(study: optuna.Study, trial_id: int) -> optuna.Trial:
            if study is queue.study:
                between.append(ask(other, 5))
            return optuna.Trial(study, trial_id)

        monkeypatch.setattr(trial_queue, "Trial", trial_of)
        mine = ask(queue, 5)
        assert [mine.number, between[0].number] == [0, 1]
        assert mine.params != between[0].params

    def test_trials_of_other_programs_are_left_alone_and_not_waited_for(self) -> None:
        queue = self.queue()
        foreign = queue.study.ask()
        queue.study.tell(queue.study.ask(), 0.99)
        mine = ask(queue, 2)
        assert mine.number == 2
        complete(queue, mine, 0.5)
        assert queue.ask(2) is NoTrialReason.NONE
        assert queue.study.trials[foreign.number].state is TrialState.RUNNING
        assert [outcome.number for outcome in leaders(queue.study.trials, "maximize")] == [2]

    @pytest.mark.slow
    def test_eight_processes_open_a_fresh_storage_together_and_share_a_study(self) -> None:
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(8)
        arguments = (self.url, self.folder, barrier, 24)
        processes = [context.Process(target=_work, args=arguments) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 8
        trials = optuna.load_study(storage=open_storage(self.url), study_name="digits").trials
        assert [trial.number for trial in trials] == list(range(24))
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        assert len({trial.user_attrs["owner"]["pid"] for trial in trials}) > 1

    def test_one_at_a_time_holds_the_lock(self) -> None:
        open_storage(self.url)
        held: list[str] = []

        def hold() -> None:
            with storage_lock(self.url, "x"):
                held.append("in")
                threading.Event().wait(0.05)
                held.append("out")

        threads = [threading.Thread(target=hold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held == ["in", "out"] * 4

    def test_the_password_is_in_no_trial(self) -> None:
        queue = self.queue()
        complete(queue, ask(queue, 1), 0.5)
        kept = repr((queue.study.user_attrs, queue.study.trials))
        assert postgresql.PASSWORD not in kept


class TestSQLite(StorageContract):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path) -> None:
        self.folder, self.url = tmp_path, f"sqlite:///{tmp_path}/studies.db"


class TestPostgreSQL(StorageContract):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path, server: postgresql.Server) -> None:
        self.folder, self.url = tmp_path, server.database(f"test-{uuid.uuid4().hex}")
