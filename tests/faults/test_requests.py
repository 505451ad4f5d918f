"""Commands into a search that runs: real processes, one searches and others enqueue, stop and delete."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import optuna
import pytest

from lightsearch.storage.opening import open_storage
from lightsearch.study.searches import running_searches
from tests import postgresql
from tests.conftest import Process, command
from tests.faults.helpers import SLOW, Started, check_whole, epochs_reported, load, wait_for, workers

NAPPING = (
    "import time\nfrom pathlib import Path\nfrom lightsearch import Classifier\n\n"
    "class Naps(Classifier):\n    def on_train_batch_start(self, *_):\n"
    "        if self.current_epoch == {epoch} and '{trials}' in str(self.trainer.default_root_dir):\n"
    "            Path('there').touch()\n            time.sleep(600)\n"
)
"""A module of which some trials sleep in the middle of an epoch."""


def napping(place: Path, epoch: int = 3, trials: str = "trial-0000") -> tuple[str, str]:
    (place / "odd.py").write_text(NAPPING.format(epoch=epoch, trials=trials))
    return "--set", "model.class_path=odd.Naps"


def said(name: str, *arguments: object, cwd: Path) -> str:
    done = command(name, "--study", "digits", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def finish(process: Process, status: int = 0) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == status, output
    assert "Traceback" not in output
    return output


@pytest.mark.parametrize("options", [("--workers", 2), pytest.param(("--workers", 0), marks=pytest.mark.slow)])
def test_a_search_is_stopped_and_goes_on_with_the_same_command(
    place: Path, started: Started, options: tuple[object, ...]
) -> None:
    process = started("--n-trials", 2, *options)
    wait_for(lambda: epochs_reported(place, 5))
    stopped = said("stop", cwd=place)
    assert "asked to stop: the search of process" in stopped
    assert "lightsearch run --study digits --n-trials 2" in stopped
    assert "run the same command again to continue" in finish(process, 130)
    assert {trial.state.name for trial in load(place).trials} == {"WAITING"}
    assert "no search runs on digits" in said("stop", cwd=place)
    finish(started("--n-trials", 2, *options))
    check_whole(place, 2)


@pytest.mark.parametrize("workers", [2, pytest.param(0, marks=pytest.mark.slow)])
def test_a_trial_is_ended_in_the_middle_of_an_epoch_and_the_search_goes_on(
    place: Path, started: Started, workers: int
) -> None:
    process = started("--n-trials", 2, "--workers", workers, *napping(place))
    wait_for((place / "there").exists)
    assert "trial 0 pruned 0." in said("stop", "--trial", 0, cwd=place)
    assert "trial 0: ended by lightsearch stop --trial 0" in finish(process)
    first, second = load(place).trials
    result = first.user_attrs["result"]
    assert (first.state.name, result["stop_reason"], result["epochs"]) == ("PRUNED", "stopped_by_user", 3)
    assert result["value"] == max(first.intermediate_values.values())
    assert len(second.intermediate_values) == 30
    assert "trial 0 ended as pruned before; there is nothing to stop" in said("stop", "--trial", 0, cwd=place)


def test_a_trial_without_a_value_does_not_count(place: Path, started: Started) -> None:
    process = started("--n-trials", 1, "--workers", 1, *napping(place, epoch=0))
    wait_for((place / "there").exists)
    assert "trial 0 withdrawn" in said("stop", "--trial", 0, cwd=place)
    finish(process)
    first, second = load(place).trials
    assert (first.state.name, first.user_attrs["kind"], first.value) == ("FAIL", "withdrawn", None)
    assert second.state.name == "COMPLETE"


def test_what_waits_is_taken_next_or_withdrawn(place: Path, started: Started) -> None:
    wrong = command("enqueue", "--study", "digits", "hidden_size=64", cwd=place)
    assert "no such file" in wrong.stderr
    assert "a first search that is still starting up" in command("stop", "--study", "digits", cwd=place).stderr
    process = started("--n-trials", 3, "--workers", 1)
    wait_for(lambda: epochs_reported(place, 5))
    wrong = command("enqueue", "--study", "digits", "hiden_size=64", "learning_rate=7", cwd=place)
    assert wrong.returncode == 2
    assert re.fullmatch(
        'hiden_size = 64: did you mean "hidden_size"\\?\nlearning_rate = 7: learning_rate takes .*\n', wrong.stderr
    )
    assert "the running search takes it next" in said("enqueue", "hidden_size=77", "learning_rate=1e-3", cwd=place)
    said("enqueue", "hidden_size=78", cwd=place)
    assert "waiting   trial 2: enqueued | hidden_size=78" in said("status", cwd=place)
    assert "trial 2 withdrawn" in said("stop", "--trial", 2, cwd=place)
    finish(process)
    first, second, withdrawn, last = load(place).trials
    assert (second.params["hidden_size"], second.params["learning_rate"]) == (77, 1e-3)
    assert withdrawn.state.name == "FAIL"
    assert {trial.state.name for trial in (first, second, last)} == {"COMPLETE"}
    assert "lightsearch run --study digits --n-trials 4" in said("enqueue", "hidden_size=79", cwd=place)


def test_a_member_leaves_its_pack_and_the_others_go_on(place: Path, started: Started) -> None:
    process = started("--n-trials", 3, "--pack", 3, "--workers", 1)
    wait_for(lambda: epochs_reported(place, 6))
    (host,) = workers(process)
    assert "trial 0 pruned" in said("stop", "--trial", 0, cwd=place)
    assert host.is_running()
    finish(process)
    assert [trial.state.name for trial in load(place).trials] == ["PRUNED", "COMPLETE", "COMPLETE"]
    assert {trial.user_attrs["attempt"] for trial in load(place).trials} == {1}
    assert all(list(trial.intermediate_values) == list(range(30)) for trial in load(place).trials[1:])


def test_a_request_that_no_search_answered_is_kept(place: Path, started: Started) -> None:
    process = started("--n-trials", 1, "--workers", 1)
    wait_for(lambda: epochs_reported(place, 5))
    process.kill()
    process.wait()
    assert "no search runs on digits" in said("stop", cwd=place)
    assert "trial 0 pruned 0." in said("stop", "--trial", 0, cwd=place)
    assert load(place).trials[0].user_attrs["result"]["stop_reason"] == "stopped_by_user"


@pytest.mark.slow
def test_two_searches_on_a_server(
    place: Path, started: Started, server: postgresql.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.database(f"test-{uuid.uuid4().hex}")
    monkeypatch.setenv("LIGHTSEARCH_STORAGE", url)
    # Every trial sleeps until it is asked to stop: none ends before a slow machine has sent the request.
    naps = napping(place, trials="trial-")
    processes = [started("--n-trials", 6, "--workers", 1, *naps) for _ in range(2)]
    study = None

    def both_run() -> bool:
        nonlocal study
        study = study or load(place, url)
        return sum((trial.last_step or 0) >= 2 for trial in study.trials if trial.state.name == "RUNNING") == 2

    wait_for(both_run)
    assert study is not None
    owners = [trial.user_attrs["owner"]["pid"] for trial in study.trials[:2]]
    assert len(set(owners)) == 2
    for number in (0, 1):
        assert f"trial {number} pruned" in said("stop", "--trial", number, cwd=place)
    assert all(process.poll() is None for process in processes)
    wait_for(lambda: sum(trial.state.name == "RUNNING" for trial in load(place, url).trials) == 2)
    stopped = said("stop", cwd=place)
    assert all(f"process {process.pid}" in stopped for process in processes)
    for process in processes:
        finish(process, 130)
    assert "RUNNING" not in {trial.state.name for trial in load(place, url).trials}
    storage = open_storage(url)
    assert running_searches(storage, load(place, url)._study_id) == []
    assert command("delete", "--study", "digits", "--yes", cwd=place).returncode == 0
    assert optuna.get_all_study_names(url) == []


def test_a_study_is_deleted_with_its_files_and_nothing_else(place: Path, started: Started, tmp_path: Path) -> None:
    bucket = tmp_path.parent / f"{tmp_path.name}-bucket"
    process = started("--n-trials", 2, "--workers", 1, "--artifacts", bucket)
    wait_for(lambda: epochs_reported(place, 3))
    refused = command("delete", "--study", "digits", "--yes", cwd=place)
    assert refused.returncode == 2
    assert "a search runs on it; stop it first: lightsearch stop --study digits" in refused.stderr
    said("stop", cwd=place)
    finish(process, 130)
    assert list(bucket.rglob("last.ckpt"))
    mine = tmp_path.parent / f"{tmp_path.name}-mine"
    mine.mkdir()
    (mine / "precious").touch()
    (place / "studies" / "digits" / "link").symlink_to(mine)
    assert command("delete", "--study", "digits", cwd=place).stderr.startswith("--yes: there is no terminal")
    assert load(place).trials
    deleted = said("delete", "--yes", cwd=place)
    assert f"artifacts {bucket}/digits-" in deleted
    assert "stays     studies/digits.toml" in deleted
    assert not (place / "studies" / "digits").exists()
    assert not list(bucket.rglob("*.ckpt"))
    assert (mine / "precious").exists()
    assert "no such study" in command("delete", "--study", "digits", "--yes", cwd=place).stderr
    assert command("delete", "--study", "../digits", "--yes", cwd=place).returncode == 2
    done = command("run", "--n-trials", 1, *SLOW, "--set", "trainer.max_epochs=1", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
