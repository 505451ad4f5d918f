"""What a study needs of its storage, on every storage that there is: the same tests on SQLite and on PostgreSQL."""

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

from lightsearch import storage
from lightsearch import study as study_module
from lightsearch.compat.studies import forget_params
from lightsearch.errors import Blocked, UserError
from lightsearch.opening import study_names
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.storage import check_server, open_storage, storage_lock, storage_time
from lightsearch.study import Assigned, Due, Ledger, attach_trial, leaders
from tests import postgresql
from tests.conftest import digits, open_ledger
from tests.test_study import ask, complete


def _work(url: str, folder: Path, barrier: Any, n_trials: int) -> None:
    """A process that opens the storage together with others, and works on one study with them."""
    barrier.wait()
    ledger = open_ledger(digits(), folder, url)
    while (due := ledger.ask(n_trials)) is not Due.NONE:
        if isinstance(due, Assigned):
            time.sleep(0.1)  # it trains; meanwhile the others ask
            complete(ledger, due, 0.1)


class StorageContract:
    url: str
    folder: Path

    def ledger(self, *overrides: str) -> Ledger:
        """A coordinator's view of the study, as one more process would have it."""
        return open_ledger(digits(*overrides), self.folder, self.url)

    def test_the_budget_is_the_studys_total(self) -> None:
        ledger = self.ledger()
        first, second = ask(ledger, 2), ask(ledger, 2)
        assert ledger.ask(2) is Due.LATER
        complete(ledger, first, 0.5)
        assert ledger.ask(2) is Due.LATER
        error = TrialError(type="E", message="m", traceback="t")
        ledger.tell(second, Outcome(number=1, kind=Kind.DIVERGED, error=error))
        third = ask(ledger, 2)  # the failed trial does not count
        ledger.tell(third, Outcome(number=2, kind=Kind.PRUNED, value=0.4))
        assert ledger.ask(2) is Due.NONE
        assert isinstance(ledger.ask(3), Assigned)
        states = [trial.state for trial in ledger.study.trials]
        assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING]

    def test_what_an_earlier_attempt_reported_is_taken_back(self) -> None:
        ledger = self.ledger()
        assigned = ask(ledger, 1)
        for steps, values in (((0, 1, 2), (0.1, 0.2, 0.3)), ((1,), (0.7,))):
            trial = attach_trial(ledger.study_file, self.url, assigned.trial_id).trial
            for step, value in zip(steps, values, strict=True):
                trial.report(value, step)
        assert self.ledger().study.trials[0].intermediate_values == {0: 0.1, 1: 0.7}

    def test_an_interrupted_trial_comes_back_under_its_number_with_its_parameters(self) -> None:
        ledger = self.ledger()
        trial = ask(ledger, 5)
        ledger.tell(trial, Outcome(number=0, kind=Kind.INTERRUPTED))
        assert ledger.study.trials[0].state is TrialState.WAITING
        again = ask(self.ledger(), 5)
        assert (again.number, again.params, again.attempt) == (0, trial.params, 2)

    def test_enqueued_configurations_run_first(self) -> None:
        ledger = self.ledger("enqueue=[{hidden_size=33, learning_rate=0.01, batch_size=64}]")
        assert ask(ledger, 5).params == {"hidden_size": 33, "learning_rate": 0.01, "batch_size": 64}
        assert ask(ledger, 5).params["hidden_size"] != 33

    def test_trials_of_a_dead_coordinator_are_taken_over(self) -> None:
        ledger = self.ledger()
        for _ in range(2):
            trial = ask(ledger, 5)
            owner = ledger.study.trials[trial.number].user_attrs["owner"]
            ledger.storage.set_trial_user_attr(trial.trial_id, "owner", {**owner, "started": 1.0})  # this pid, long ago
        folder = ledger.folder / "trial-0001"
        folder.mkdir(parents=True)
        result = Outcome(number=1, kind=Kind.COMPLETE, value=0.75)
        (folder / "result.json").write_text(result.model_dump_json())
        other = self.ledger()
        assert ask(other, 5).number == 0  # taken over, and first to go on
        states = [trial.state for trial in other.study.trials]
        assert states == [TrialState.RUNNING, TrialState.COMPLETE]
        assert other.study.trials[1].value == 0.75

    def test_a_living_owner_keeps_its_trial_until_its_lease_ends(self) -> None:
        late, other = self.ledger(), self.ledger()
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
        late, other = self.ledger(), self.ledger()
        trial = ask(late, 5)
        _, newest_attempt = attach_trial(digits(), self.url, trial.trial_id)
        assert newest_attempt() == 1
        late.storage.set_trial_user_attr(trial.trial_id, "lease", 0)
        ask(other, 5)
        assert newest_attempt() == 2

    def test_a_worker_that_is_given_the_history_sees_what_one_sees_that_reads_it(self) -> None:
        ledger = self.ledger()
        for value in (0.1, 0.2):
            complete(ledger, ask(ledger, 9), value)
        running, mine = ask(ledger, 9), ask(ledger, 9)
        history = ledger.history()
        assert history is not None
        complete(ledger, running, 0.3)  # ended, and asked for, after the history was taken
        ask(ledger, 9)
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
        ledger = self.ledger()
        trial = ask(ledger, 5)
        ledger._held.clear()  # as if asking had failed after the storage had done it
        again = ask(ledger, 5)
        assert (again.number, again.attempt) == (trial.number, 2)

    def test_killed_while_it_samples_a_coordinator_leaves_nothing_running_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = self.ledger()

        def cut_off(*_: object) -> None:
            raise ConnectionError

        monkeypatch.setattr(study_module, "Trial", cut_off)
        monkeypatch.setattr(Ledger, "_give_back", cut_off)  # nor can it give the trial back
        with pytest.raises(Blocked):
            ledger.ask(1)
        monkeypatch.undo()
        (trial,) = ledger.study.trials
        owner = {**trial.user_attrs["owner"], "started": 1.0}  # it is gone
        ledger.storage.set_trial_user_attr(trial._trial_id, "owner", owner)
        again = ask(self.ledger(), 1)
        assert (again.number, again.attempt, len(again.params)) == (0, 2, 3)

    def test_half_sampled_parameters_are_forgotten_and_a_study_is_declared_anew(self) -> None:
        ledger = self.ledger("sampler.name=RandomSampler")
        first = ask(ledger, 1)
        ledger.tell(first, Outcome(number=0, kind=Kind.INTERRUPTED))
        forget_params(ledger.storage, first.trial_id)
        assert ledger.study.trials[0].params == {}
        assert ask(ledger, 1).params == first.params  # as they were drawn the first time
        ledger.tell(first._replace(attempt=2), Outcome(number=0, kind=Kind.INTERRUPTED))
        anew = self.ledger("metric=['val_acc', 'val_loss']", "direction=['maximize', 'minimize']")
        assert len(anew.study.directions) == 2
        assert study_names(anew.storage) == ["digits", "digits.before-1"]
        assert ask(anew, 1).number == 0

    def test_one_samples_while_another_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ledger, other = self.ledger(), self.ledger()
        between: list[Assigned] = []

        def trial_of(study: optuna.Study, trial_id: int) -> optuna.Trial:
            if study is ledger.study:
                between.append(ask(other, 5))
            return optuna.Trial(study, trial_id)

        monkeypatch.setattr(study_module, "Trial", trial_of)
        mine = ask(ledger, 5)
        assert [mine.number, between[0].number] == [0, 1]
        assert mine.params != between[0].params

    def test_trials_of_other_programs_are_left_alone_and_not_waited_for(self) -> None:
        ledger = self.ledger()
        foreign = ledger.study.ask()
        ledger.study.tell(ledger.study.ask(), 0.99)
        mine = ask(ledger, 2)
        assert mine.number == 2
        complete(ledger, mine, 0.5)
        assert ledger.ask(2) is Due.NONE
        assert ledger.study.trials[foreign.number].state is TrialState.RUNNING
        assert [outcome.number for outcome in leaders(ledger.study.trials, "maximize")] == [2]

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
        ledger = self.ledger()
        complete(ledger, ask(ledger, 1), 0.5)
        kept = repr((ledger.study.user_attrs, ledger.study.trials))
        assert postgresql.PASSWORD not in kept


class TestSQLite(StorageContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.folder, self.url = tmp_path, f"sqlite:///{tmp_path}/studies.db"


class TestPostgreSQL(StorageContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path, server: postgresql.Server) -> None:
        self.folder, self.url = tmp_path, server.database(f"test-{uuid.uuid4().hex}")

    def test_a_server_that_refuses_is_one_line(
        self, server: postgresql.Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storage, "OPEN_SECONDS", 0.1)
        for url, reason in (
            (server.url("nowhere"), 'database "nowhere" does not exist'),
            (self.url.replace(postgresql.PASSWORD, "guess"), "password authentication failed"),
        ):
            (mistake,) = check_server(url)
            with pytest.raises(UserError) as refused:
                open_storage(url)
            for said in (str(mistake), str(refused.value)):
                assert reason in said
                assert "\n" not in said
                assert postgresql.PASSWORD not in said
                assert "guess" not in said

    def test_leases_go_by_the_servers_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        late, other = self.ledger(), self.ledger()
        ask(late, 5)
        # A machine whose clock is an hour ahead takes nothing over.
        monkeypatch.setattr(study_module.time, "time", lambda: 4e9)
        assert ask(other, 5).number == 1

    def test_a_lock_is_free_again_when_the_server_was_restarted_and_its_holder_knows(
        self, server: postgresql.Server
    ) -> None:
        open_storage(self.url)
        with storage_lock(self.url, "x") as check:
            check()
            server.kill()
            server.start()
            with pytest.raises(study_module.LockLost):
                check()
            with storage_lock(self.url, "x"):
                pass

    def test_what_is_asked_of_a_server_that_was_restarted_is_done(self, server: postgresql.Server) -> None:
        ledger = self.ledger()
        trial = ask(ledger, 2)
        server.kill()
        restart = threading.Timer(2.0, server.start)
        restart.start()
        complete(ledger, trial, 0.5)
        restart.join()
        server.kill()
        server.start()
        complete(ledger, ask(ledger, 2), 0.6)
        assert [trial.value for trial in ledger.study.trials] == [0.5, 0.6]
        assert ledger.ask(2) is Due.NONE
