"""A trial that begins from another one's checkpoint gets that file, whatever is killed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import trial_folder
from lightsearch.study import succession, trial_queue
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.lineage import start_of
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import digits, open_queue

PBT = "scheduler={name='pbt', population=2, interval=1, quantile=0.5}"


class Killed(BaseException):
    """The process ends here."""


def ask(queue: TrialQueue) -> TrialAssignment:
    assigned = queue.ask(9)
    assert isinstance(assigned, TrialAssignment)
    return assigned


def pause(queue: TrialQueue, assigned: TrialAssignment, value: float, epoch: int) -> None:
    """What a worker leaves after an epoch: a report, a checkpoint and its outcome."""
    optuna.Trial(queue.study, assigned.trial_id).report(value, epoch)
    folder = trial_folder(queue.folder, assigned.number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "next").write_text(f"trial {assigned.number} after {epoch + 1}")
    (folder / "next").replace(folder / "last.ckpt")
    outcome = Outcome(number=assigned.number, kind=Kind.PAUSED, attempt=assigned.attempt, value=value, epochs=epoch + 1)
    assert queue.tell(assigned, outcome)


def of_two(folder: Path) -> TrialQueue:
    """A population of two that has trained an epoch; trial 1 is the better one."""
    queue = open_queue(digits(PBT), folder)
    for value in (0.3, 0.6):
        pause(queue, ask(queue), value, 0)
    return queue


def check(queue: TrialQueue, copy: TrialAssignment) -> None:
    trials = queue.study.get_trials(deepcopy=False)
    assert [trial.state.name for trial in trials] == ["PRUNED", "WAITING", "RUNNING"]
    assert trials[0].user_attrs["result"]["stop_reason"] == "replaced by a copy of trial 1"
    assert trials[0].user_attrs["result"]["value"] == 0.3
    start = start_of(trials[2].user_attrs)
    assert start is not None
    assert (copy.number, start.parent, start.epochs, start.replaces) == (2, 1, 1, 0)
    assert copy.until == 2
    assert copy.params == {**trials[1].params, "learning_rate": copy.params["learning_rate"]}
    assert copy.params["learning_rate"] != trials[1].params["learning_rate"]
    assert (trial_folder(queue.folder, 2) / "parent.ckpt").read_text() == "trial 1 after 1"
    assert [one.number for one in queue.take_replaced()] == [0]
    assert queue.take_replaced() == []


def test_a_copy_keeps_its_parents_checkpoint_when_the_parent_trains_on(tmp_path: Path) -> None:
    queue = of_two(tmp_path)
    check(queue, ask(queue))
    parent = ask(queue)
    assert (parent.number, parent.until) == (1, 2)
    pause(queue, parent, 0.7, 1)
    assert (trial_folder(queue.folder, 2) / "parent.ckpt").read_text() == "trial 1 after 1"
    assert not list(trial_folder(queue.folder, 1).glob("after-*"))


@pytest.mark.parametrize(
    "killed_before",
    ["the trial is created", "it has its file", "the file is there", "the other one ends", "it is sampled"],
)
def test_what_was_decided_is_done_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_before: str
) -> None:
    module, name = {
        "the trial is created": (trial_queue, "add_trial"),
        "it has its file": (succession, "hand_over_all"),
        "the file is there": (succession.Path, "rename"),
        "the other one ends": (trial_queue.withdrawal, "end_waiting"),
        "it is sampled": (TrialQueue, "_sample"),
    }[killed_before]

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    queue = of_two(tmp_path)
    with monkeypatch.context() as patch:
        if killed_before == "it has its file":  # called once before anything is decided
            calls: list[int] = []
            whole = succession.hand_over_all
            patch.setattr(module, name, lambda *given: die() if calls else (calls.append(1), whole(*given)))
        else:
            patch.setattr(module, name, die)
        with pytest.raises(Killed):
            queue.ask(9)
    check(queue, ask(queue))
