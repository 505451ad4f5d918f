"""A study is created as a whole, wherever its process is killed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy

from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable, UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import trial_folder
from lightsearch.storage.opening import attach_storage, open_storage
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study import creation
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import FACTS, digits, open_queue

EVERY = pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "every one"])
"""Which of the writes the process is killed at."""
TWO_OBJECTIVES = (
    "metric=['val_acc', 'parameters']",
    "direction=['maximize', 'minimize']",
    "enqueue=[{hidden_size=32}]",
)


def ask(queue: TrialQueue) -> TrialAssignment:
    assigned = queue.ask(9)
    assert isinstance(assigned, TrialAssignment)
    return assigned


def tell(queue: TrialQueue, assigned: TrialAssignment, kind: Kind) -> None:
    value = 0.5 if kind in (Kind.COMPLETE, Kind.PRUNED) else None
    assert queue.tell(assigned, Outcome(number=assigned.number, kind=kind, value=value, attempt=assigned.attempt))


def killed_at(commit: int, study_file: StudyFile, folder: Path) -> bool:
    """Opens the study in a process that is killed at its n-th commit; returns whether there were that many."""
    process = multiprocessing.get_context("fork").Process(target=_open_until, args=(commit, study_file, folder))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _open_until(commit: int, study_file: StudyFile, folder: Path) -> None:
    storage, commits = attach_storage(f"sqlite:///{folder}/studies/studies.db"), 0

    @sqlalchemy.event.listens_for(storage.engine, "commit")
    def _on_commit(_connection: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == commit:
            os.kill(os.getpid(), signal.SIGKILL)

    opened(study_file, folder, storage)


def opened(study_file: StudyFile, folder: Path, storage: RetryingStorage | None = None) -> TrialQueue:
    """The study as a search opens it, in a storage whose tables exist."""
    url = f"sqlite:///{folder}/studies/studies.db"
    queue = TrialQueue(study_file, storage or attach_storage(url), url, folder / "studies" / study_file.name)
    queue.open(FACTS)
    return queue


@EVERY
def test_a_study_whose_process_was_killed_at_any_write_is_created_by_the_next(tmp_path: Path, stride: int) -> None:
    (tmp_path / "studies").mkdir()
    empty, study_file, commit = tmp_path / "empty.db", digits(*TWO_OBJECTIVES), 1 - stride
    open_storage(f"sqlite:///{empty}").remove_session()
    while True:
        commit += stride
        for file in (tmp_path / "studies").glob("*.db*"):
            file.unlink()
        shutil.copy(empty, tmp_path / "studies" / "studies.db")
        if not killed_at(commit, study_file, tmp_path):
            break
        queue = opened(study_file, tmp_path)
        assert creation.study_names(queue.storage) == optuna.get_all_study_names(queue.storage) == ["digits"]
        assert {"uid", "fingerprint", "search", "metric", "data"} <= queue.study.user_attrs.keys()
        assert len(queue.study.directions) == 2
        assert ask(queue).params["hidden_size"] == 32
    assert commit > 8  # each attribute is one


@EVERY
def test_declared_anew_it_is_the_old_one_or_the_new_one_wherever_that_is_killed(tmp_path: Path, stride: int) -> None:
    queue = open_queue(digits(), tmp_path)
    failed = ask(queue)
    folder = trial_folder(queue.folder, failed.number)
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_text("of the old declaration")
    tell(queue, failed, Kind.USER_ERROR)
    queue.storage.remove_session()
    shutil.copytree(tmp_path / "studies", tmp_path / "before")
    study_file, commit = digits(*TWO_OBJECTIVES, "space.model={hidden_size={choice=[32, 64]}}"), 1 - stride
    while True:
        commit += stride
        shutil.rmtree(tmp_path / "studies")
        shutil.copytree(tmp_path / "before", tmp_path / "studies")
        if not killed_at(commit, study_file, tmp_path):
            break
        again = opened(study_file, tmp_path)
        assert not any(again.folder.glob("trial-*"))
        assert ask(again).params["hidden_size"] == 32
        (old,) = [name for name in creation.study_names(again.storage) if name != "digits"]
        kept = optuna.load_study(study_name=old, storage=again.storage)
        assert [trial.state.name for trial in kept.trials] == ["FAIL"]
        assert list((tmp_path / "studies").glob("digits.before-*/trial-0000/last.ckpt"))
    assert commit > 8


def test_a_study_without_a_finished_trial_is_declared_anew_and_the_old_one_kept(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    tell(queue, ask(queue), Kind.USER_ERROR)
    tell(queue, ask(queue), Kind.INTERRUPTED)
    changed = TrialQueue(digits("direction=minimize"), queue.storage, queue.url, queue.folder)
    assert changed.open(FACTS) == [
        "direction: 'maximize' in the study, 'minimize' in the file",
        "no trial had finished, so the study restarts; its unfinished trials are kept in the study digits.before-1",
    ]
    assert changed.study.direction is optuna.study.StudyDirection.MINIMIZE
    assert changed.study.trials == []
    assert changed.study.user_attrs["replaces"] == "digits.before-1"
    kept = optuna.load_study(study_name="digits.before-1", storage=queue.storage)
    assert [trial.state.name for trial in kept.trials] == ["FAIL", "WAITING"]
    # and again, with another one
    tell(changed, ask(changed), Kind.DIVERGED)
    open_queue(digits("trainer.max_epochs=3"), tmp_path)
    assert creation.study_names(queue.storage) == ["digits", "digits.before-1", "digits.before-2"]


def test_one_that_has_not_begun_leaves_nothing(tmp_path: Path) -> None:
    queue = open_queue(digits("enqueue=[{hidden_size=32}]"), tmp_path)
    changed = open_queue(digits("enqueue=[{hidden_size=64}]", "seed=7"), tmp_path)
    assert creation.study_names(queue.storage) == ["digits"]
    assert ask(changed).params["hidden_size"] == 64


def test_finished_trials_and_running_ones_of_others_prevent_it(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    running = ask(queue)
    with pytest.raises(UserError, match="is running with another declaration"):
        open_queue(digits("seed=7"), tmp_path)
    tell(queue, running, Kind.PRUNED)
    with pytest.raises(UserError, match="holds trials of another declaration"):
        open_queue(digits("seed=7"), tmp_path)
    assert creation.study_names(queue.storage) == ["digits"]


def test_a_search_whose_study_was_declared_anew_meanwhile_stops(tmp_path: Path) -> None:
    late = open_queue(digits(), tmp_path)
    open_queue(digits("seed=7"), tmp_path)
    with pytest.raises(ResourceUnavailable, match="was replaced by another search"):
        late.ask(9)
