"""Deletions that are interrupted, and folders that are not a study's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import pytest

from lightsearch.confirm.lock import retraining_lock
from lightsearch.errors import UserError
from lightsearch.study import deletion
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import digits, open_queue


@pytest.fixture
def queue(place: Path) -> TrialQueue:
    queue = open_queue(digits(), place)
    (queue.folder / "trial-0000").mkdir(parents=True)
    return queue


def delete(queue: TrialQueue) -> None:
    deletion.delete(deletion.parts_of(queue.storage, "digits"), queue.storage, queue.url, "digits")


def test_an_interrupted_deletion_is_repeated(place: Path, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            delete(queue)
    with pytest.raises(UserError, match="its deletion was interrupted; complete it: lightsearch delete --study digits"):
        open_queue(digits(), place)
    delete(queue)
    assert not queue.folder.exists()
    assert optuna.get_all_study_names(queue.storage) == []
    open_queue(digits(), place)


def test_a_link_is_deleted_and_not_what_it_leads_to(queue: TrialQueue, tmp_path: Path) -> None:
    elsewhere = queue.folder.rename(tmp_path / "elsewhere")
    queue.folder.symlink_to(elsewhere)
    delete(queue)
    assert not queue.folder.is_symlink()
    assert (elsewhere / "trial-0000").is_dir()


def test_a_study_that_is_retrained_stays(queue: TrialQueue) -> None:
    with retraining_lock(queue.folder), pytest.raises(UserError, match="lightsearch retrain works on it"):
        delete(queue)
    delete(queue)


def test_artifacts_that_are_not_the_study_s_own_stay(queue: TrialQueue, tmp_path: Path) -> None:
    queue.study.set_user_attr("artifacts", str(tmp_path))
    with pytest.raises(UserError, match="which is no folder of a study"):
        delete(queue)
    assert queue.folder.exists()
