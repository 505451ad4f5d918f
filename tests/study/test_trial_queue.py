"""Trials are assigned once each, sampled or given back."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import digits, open_queue


def ask(queue: TrialQueue, n_trials: int) -> TrialAssignment:
    assigned = queue.ask(n_trials)
    assert isinstance(assigned, TrialAssignment)
    return assigned


def complete(queue: TrialQueue, assigned: TrialAssignment, value: float) -> None:
    assert queue.tell(assigned, Outcome(number=assigned.number, kind=Kind.COMPLETE, value=value))


def test_an_enumerating_sampler_ends_when_it_is_through(tmp_path: Path) -> None:
    queue = open_queue(digits("space={data={batch_size={choice=[8, 16]}}}", "sampler={name='GridSampler'}"), tmp_path)
    trials = [ask(queue, 9), ask(queue, 9)]
    assert queue.ask(9) is NoTrialReason.EXHAUSTED
    for trial in trials:
        complete(queue, trial, 0.5)  # GridSampler wants to stop study.optimize here, which does not run
    assert {trial.params["batch_size"] for trial in trials} == {8, 16}


class Broken(optuna.samplers.RandomSampler):
    """Draws one parameter, and raises when it is asked for the next."""

    error: BaseException = RuntimeError("no second number")

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        if param_name == "learning_rate":
            raise self.error
        return super().sample_independent(study, trial, param_name, param_distribution)


@pytest.mark.parametrize("error", [RuntimeError("no second\nnumber"), KeyboardInterrupt()], ids=["an error", "Ctrl-C"])
def test_a_trial_that_cannot_be_sampled_is_given_back(tmp_path: Path, error: BaseException) -> None:
    whole, study_file = tmp_path / "whole", digits("sampler.name=RandomSampler")
    (whole / "studies").mkdir(parents=True)
    expected = ask(open_queue(study_file, whole), 9).params
    queue = open_queue(study_file, tmp_path)
    broken = Broken()
    broken.error = error
    queue.study.sampler = broken
    with pytest.raises(ResourceUnavailable if isinstance(error, Exception) else KeyboardInterrupt) as raised:
        queue.ask(9)
    if isinstance(error, Exception):
        assert str(raised.value) == "sampler RandomSampler proposes no trial: no second"
    (trial,) = queue.study.trials
    assert (trial.state.name, list(trial.params)) == ("WAITING", ["hidden_size"])
    again = ask(open_queue(study_file, tmp_path), 9)
    assert again.number == trial.number
    assert again.params == expected  # and not the rest of it drawn from the beginning


def test_one_that_waited_keeps_what_it_had(tmp_path: Path) -> None:
    queue = open_queue(digits("enqueue=[{hidden_size=32}]"), tmp_path)
    interrupted, sampler = ask(queue, 9), queue.study.sampler
    queue.tell(interrupted, Outcome(number=0, kind=Kind.INTERRUPTED))
    queue.study.enqueue_trial({"hidden_size": 64})
    assert ask(queue, 9).params == interrupted.params  # nothing has to be sampled
    queue.study.sampler = Broken()
    with pytest.raises(ResourceUnavailable, match="no second number"):
        queue.ask(9)
    queue.study.sampler = sampler
    again = ask(queue, 9)
    assert (again.number, again.params["hidden_size"]) == (1, 64)


def test_one_that_another_program_enqueued_with_what_cannot_be_sampled_fails(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    queue.study.enqueue_trial({"hidden_size": "wide"})
    with pytest.raises(ResourceUnavailable, match="proposes no trial"):
        queue.ask(9)
    (trial,) = queue.study.trials
    assert (trial.state.name, trial.user_attrs["kind"]) == ("FAIL", "user_error")
    assert "wide" in trial.user_attrs["result"]["error"]["message"]
    assert ask(queue, 9).number == 1
