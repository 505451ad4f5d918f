"""A study's space is widened: its trials become trials of the wider space, or the study stays as it is."""

import uuid
from pathlib import Path
from typing import Any

import optuna
import pytest

from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable, UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.assignment import NoTrialReason
from lightsearch.study.trial_queue import TrialQueue
from tests import postgresql
from tests.conftest import FACTS, digits, open_queue
from tests.study.test_trial_queue import ask, complete

DEFAULTS: dict[str, Any] = {"model": {"hidden_size": 64, "dropout": 0.0}}
NARROW = "space.data.batch_size={choice=[32, 64]}"
WIDE = "space.data.batch_size={choice=[16, 32, 64, 128]}"


def reopen(queue: TrialQueue, study_file: StudyFile, *, widen: bool = True) -> TrialQueue:
    again = TrialQueue(study_file, queue.storage, queue.url, queue.folder)
    again.open(FACTS, defaults=DEFAULTS, widen=widen)
    return again


def searched(folder: Path, n_trials: int, *overrides: str) -> TrialQueue:
    queue = open_queue(digits(*overrides), folder)
    for number in range(n_trials):
        complete(queue, ask(queue, n_trials), 0.5 + number / 100)
    return queue


def refused(queue: TrialQueue, *overrides: str, widen: bool = True) -> str:
    before = [trial.distributions for trial in queue.study.trials]
    with pytest.raises(UserError) as error:
        reopen(queue, digits(*overrides), widen=widen)
    assert [trial.distributions for trial in queue.study.trials] == before
    return str(error.value)


@pytest.mark.parametrize("sampler", ["TPESampler", "GPSampler"])
def test_the_sampler_learns_from_the_trials_before(tmp_path: Path, sampler: str) -> None:
    of_sampler = f"sampler.name={sampler}"
    queue = searched(tmp_path, 12, NARROW, of_sampler)
    values = [trial.params for trial in queue.study.trials]
    wide = digits(WIDE, "space.model.dropout={float=[0.0, 0.5]}", "space.model.hidden_size={int=[8, 512], log=true}",
                  of_sampler)  # fmt: skip
    again = reopen(queue, wide)
    trials = again.study.trials
    assert [trial.params for trial in trials] == [{**one, "dropout": 0.0} for one in values]
    assert {tuple(trial.distributions["batch_size"].choices) for trial in trials} == {(16, 32, 64, 128)}
    space = optuna.search_space.intersection_search_space(trials)
    assert set(space) == set(wide.space.names)  # what a sampler learns from
    assert ask(again, 20).params.keys() == set(wide.space.names)
    (record,) = again.study.user_attrs["widened"]
    assert (record["trials"], record["before"]["data"]["batch_size"]["choice"]) == (12, [32, 64])
    assert reopen(again, wide, widen=False).study.user_attrs["widened"] == [record]


def test_an_interrupted_trial_keeps_its_configuration(tmp_path: Path) -> None:
    queue = searched(tmp_path, 1, NARROW)
    interrupted = ask(queue, 9)
    queue.tell(interrupted, Outcome(number=1, kind=Kind.INTERRUPTED))
    queue.study.enqueue_trial({"batch_size": 32})
    again = reopen(queue, digits(WIDE))
    assert ask(again, 9).params == interrupted.params
    assert ask(again, 9).params["batch_size"] == 32


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (WIDE, NARROW, "space.data.batch_size = "),
        ("seed=1", "space.model.hidden_size={int=[64, 512], log=true}", "the file takes whole numbers from 64 to 512"),
        ("seed=1", "space.model.hidden_size={int=[16, 512], step=31}", "in steps of 31"),
        ("seed=1", "space.model={hidden_size={int=[16, 512], log=true}}", "the file no longer samples it"),
        ("seed=1", "space.trainer.gradient_clip_val={float=[0.1, 1.0]}", "earlier trials have no value of it"),
    ],
)  # fmt: skip
def test_what_is_not_wider_is_refused(tmp_path: Path, before: str, after: str, line: str) -> None:
    queue = searched(tmp_path, 4, "seed=1", before)
    text = refused(queue, "seed=1", after)
    assert line in text
    assert "--name digits-2" in text
    assert "--widen" not in refused(queue, "seed=1", after, widen=False)


def test_a_refusal_names_the_way_and_the_older_file(tmp_path: Path) -> None:
    queue = searched(tmp_path, 2, NARROW)
    assert "--widen continues this study in it" in refused(queue, WIDE, widen=False)
    assert "--widen changes [space] only" in refused(queue, WIDE, "trainer.max_epochs=7")
    again = reopen(queue, digits(WIDE))
    text = refused(again, NARROW, widen=False)
    assert "the space from before it was widened" in text


def test_a_search_in_the_old_space_ends(tmp_path: Path) -> None:
    queue = searched(tmp_path, 2, NARROW)
    running = ask(queue, 9)
    assert "is running with another declaration" in refused(queue, WIDE)
    complete(queue, running, 0.5)
    again = reopen(queue, digits(WIDE))
    with pytest.raises(ResourceUnavailable, match="was widened by another search"):
        queue.ask(9)
    assert ask(again, 9).number == 3


def test_a_fixed_value_becomes_a_range(tmp_path: Path) -> None:
    queue = searched(tmp_path, 2, "model.init_args={dropout=0.2}")
    wide = ("model.init_args={}", "space.model.dropout={float=[0.1, 0.5]}")
    assert "space.model.dropout = 0.2" in refused(queue, wide[0], "space.model.dropout={float=[0.3, 0.5]}")
    other_split = {**FACTS, "data": {"split_hash": "xyz"}}
    again = TrialQueue(digits(*wide), queue.storage, queue.url, queue.folder)
    with pytest.raises(UserError, match=r"--widen changes \[space\] only"):
        again.open(other_split, widen=True)
    assert {trial.params["dropout"] for trial in reopen(queue, digits(*wide)).study.trials} == {0.2}


def test_on_a_server(tmp_path: Path, server: postgresql.Server) -> None:
    queue = open_queue(digits(NARROW), tmp_path, server.database(f"test-{uuid.uuid4().hex}"))
    complete(queue, ask(queue, 9), 0.5)
    again = reopen(queue, digits(WIDE))
    assert again.study.trials[0].params == queue.study.trials[0].params
    assert ask(again, 9).params.keys() == queue.study.trials[0].params.keys()


def test_lists_grow_and_conditions_fall(tmp_path: Path) -> None:
    before = ("space.model={hidden_sizes={list={int=[8, 64]}, length=2}, optimizer={choice=['sgd', 'adam']}, "
              "momentum={float=[0.0, 0.9], when={optimizer='sgd'}}}")  # fmt: skip
    after = ("space.model={hidden_sizes={list={int=[8, 128]}, length=[1, 4]}, "
             "optimizer={choice=['sgd', 'adam', 'lion']}, momentum={float=[0.0, 0.9]}}")  # fmt: skip
    queue = searched(tmp_path, 6, before)
    assert "momentum = None" in refused(queue, after)
    again = TrialQueue(digits(after), queue.storage, queue.url, queue.folder)
    again.open(FACTS, defaults={"model": {"momentum": 0.0}}, widen=True)
    for trial, old in zip(again.study.trials, queue.study.trials, strict=True):
        assert trial.params == {"momentum": 0.0, **old.params, "hidden_sizes.length": 2}


def test_brute_force_visits_what_was_added(tmp_path: Path) -> None:
    narrow, wide = (f"space={{data={{batch_size={{choice={choice}}}}}}}" for choice in ([8, 16], [8, 16, 32, 64]))
    queue = searched(tmp_path, 2, narrow, "sampler={name='GridSampler'}")
    assert "write BruteForceSampler" in refused(queue, wide, "sampler={name='GridSampler'}")
    again = reopen(queue, digits(wide, "sampler={name='BruteForceSampler'}"))
    assert {ask(again, 9).params["batch_size"] for _ in range(2)} == {32, 64}
    assert again.ask(9) is NoTrialReason.EXHAUSTED


def test_an_argument_of_a_callback_gets_a_wider_range(tmp_path: Path) -> None:
    callback = 'callbacks=[{class_path="pytorch_lightning.callbacks.EarlyStopping", init_args={monitor="val_loss"}}]'
    narrow, wide = (f'space.callbacks={{"EarlyStopping.patience"={{int=[2, {most}]}}}}' for most in (4, 8))
    queue = searched(tmp_path, 4, callback, narrow)
    assert "(--name digits-2)" in refused(queue, callback.replace("val_loss", "val_acc"), wide)
    trials = reopen(queue, digits(callback, wide)).study.trials
    assert {trial.distributions["EarlyStopping.patience"].high for trial in trials} == {8}
