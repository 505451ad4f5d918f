"""An existing study is continued, or refused if the study file declares another one."""

from pathlib import Path

import pytest

from lightsearch.errors import UserError
from tests.conftest import FACTS, digits, open_queue
from tests.study.test_trial_queue import ask, complete


def test_a_changed_study_is_refused_with_a_diff(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    complete(queue, ask(queue, 1), 0.5)
    with pytest.raises(UserError) as refused:
        open_queue(digits("trainer.max_epochs=7", "direction=minimize"), tmp_path)
    lines = [str(line).strip() for line in refused.value.mistakes]
    assert "trainer.max_epochs: 20 in the study, 7 in the file" in lines
    assert "direction: 'maximize' in the study, 'minimize' in the file" in lines
    assert "--name digits-2" in lines[-1]
    assert len(queue.study.trials) == 1


def test_changed_data_are_refused(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    complete(queue, ask(queue, 1), 0.5)
    with pytest.raises(UserError, match="split abc in the study, xyz in the files"):
        open_queue(digits(), tmp_path, facts={**FACTS, "data": {"split_hash": "xyz"}})


def test_a_changed_sampler_is_logged(tmp_path: Path) -> None:
    queue = open_queue(digits("sampler.name=TPESampler"), tmp_path)
    changed = queue.__class__(digits("sampler.name=RandomSampler"), queue.storage, queue.url, queue.folder)
    assert changed.open(FACTS) == ["sampler.name: 'TPESampler' in the study, 'RandomSampler' in the file"]
    assert changed.study.user_attrs["changes"][0]["changes"]
    assert changed.open(FACTS) == []


def test_the_same_name_in_another_storage_does_not_share_the_folder(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    (queue.folder / "trial-0000").mkdir(parents=True)
    with pytest.raises(UserError, match="trials of a study in another storage"):
        open_queue(digits(), tmp_path, f"sqlite:///{tmp_path}/other.db")
