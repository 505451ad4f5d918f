"""Real processes, real signals: whatever ends them, the same command finishes the study with exactly N trials."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import psutil
import pytest

from tests.conftest import command, start

# About 0.1 s an epoch and 30 epochs a trial: long enough to be hit in mid-trial, short enough to be finished.
SLOW = (
    *("--set", "trainer.max_epochs=30", "--set", "trainer.patience=0", "--set", "pruner={name='NopPruner'}"),
    *("--set", "space.data={batch_size={choice=[32]}}"),
)


@pytest.fixture
def started(place: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts searches, and ends what is left of them."""
    processes: list[subprocess.Popen[str]] = []

    def start_search(*options: object) -> subprocess.Popen[str]:
        processes.append(start("run", *options, *SLOW, cwd=place))
        return processes[-1]

    yield start_search
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def load(place: Path) -> optuna.Study:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits")


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (KeyError, optuna.exceptions.StorageInternalError, psutil.Error):
            pass  # not there yet
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


def epochs_reported(place: Path, at_least: int) -> bool:
    return any((trial.last_step or 0) >= at_least for trial in load(place).trials)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that run trials: those with a trial's log open."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(re.search(r"trial-\d+/log\.txt$", file.path) for file in child.open_files()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def check_whole(place: Path, n_trials: int) -> None:
    """The study has exactly so many finished trials, each with every epoch reported once, in order."""
    trials = load(place).trials
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    for trial in trials:
        assert list(trial.intermediate_values) == list(range(30))
        rows = (place / "studies" / "digits" / f"trial-{trial.number:04d}" / "epochs.csv").read_text().splitlines()
        assert len(rows) == 31
        assert trial.user_attrs["result"]["epochs"] == 30


def test_a_killed_worker_goes_on_from_its_checkpoint(
    place: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    whole = command("run", "--name", "whole", "--n-trials", 2, *SLOW, cwd=place)
    assert whole.returncode == 0, whole.stderr
    process = started("--n-trials", 2)
    wait_for(lambda: epochs_reported(place, 8))
    victims = workers(process)
    assert victims
    victims[0].kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "its process died (SIGKILL); going on from its last checkpoint, attempt 2" in output
    check_whole(place, 2)
    # The curve is that of a search that was not disturbed.
    undisturbed = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="whole")
    for before, after in zip(undisturbed.trials, load(place).trials, strict=True):
        assert before.intermediate_values == after.intermediate_values


def test_a_worker_that_dies_again_and_again_fails_as_crashed(place: Path) -> None:
    (place / "odd.py").write_text(
        "import os, signal\nfrom lightsearch import Classifier\n\n"
        "class Dies(Classifier):\n    def on_train_start(self):\n        os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    done = command("run", "--set", "model.class_path=odd.Dies", "--n-trials", 2, "--workers", 1, cwd=place)
    assert done.returncode == 1
    trials = load(place).trials
    assert [trial.user_attrs["kind"] for trial in trials] == ["crashed"] * 3
    assert {trial.user_attrs["attempt"] for trial in trials} == {3}
    assert "SIGSEGV" in done.stdout


def test_a_killed_coordinator_takes_its_workers_along_and_is_continued(
    place: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started("--n-trials", 3)
    wait_for(lambda: epochs_reported(place, 6))
    running = workers(process)
    assert running
    process.kill()
    process.wait()
    wait_for(lambda: not any(worker.is_running() for worker in running), 30)
    assert {trial.state.name for trial in load(place).trials} == {"RUNNING"}
    assert "its coordinator is gone" in command("status", "--study", "digits", cwd=place).stdout
    done = command("run", "--n-trials", 3, *SLOW, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 3)
    results = json.loads((place / "studies" / "digits" / "results.json").read_text())
    assert results["counts"]["states"] == {"complete": 3}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_checkpoints_and_nothing_running(
    place: Path, started: Callable[..., subprocess.Popen[str]], number: int, status: int
) -> None:
    process = started("--n-trials", 3)
    wait_for(lambda: epochs_reported(place, 5))
    os.killpg(process.pid, number)  # as a terminal does: to every process
    output, _ = process.communicate(timeout=60)
    assert process.returncode == status, output
    assert "Traceback" not in output
    assert {trial.state.name for trial in load(place).trials} == {"WAITING"}
    assert len(list((place / "studies" / "digits").glob("*/last.ckpt"))) == 2
    done = command("run", "--n-trials", 3, *SLOW, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 3)


def test_a_signal_while_it_loads(place: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("--n-trials", 3)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("loading PyTorch")
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output


def test_a_second_signal_ends_it_at_once(place: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    (place / "odd.py").write_text(
        "import time\nfrom lightsearch import Classifier\n\n"
        "class Deaf(Classifier):\n    def on_train_epoch_end(self):\n        super().on_train_epoch_end()\n"
        "        while self.current_epoch == 3:\n            try:\n                time.sleep(600)\n"
        "            except BaseException:\n                pass\n"
    )
    process = started("--n-trials", 2, "--set", "model.class_path=odd.Deaf")
    wait_for(lambda: epochs_reported(place, 3))
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None  # the workers are deaf: it waits for them
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "RUNNING" not in {trial.state.name for trial in load(place).trials}


def test_two_coordinators_on_one_study(place: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    processes = [started("--n-trials", 5, "--workers", 2) for _ in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    check_whole(place, 5)
    owners = {trial.user_attrs["owner"]["pid"] for trial in load(place).trials}
    assert len(owners) == 2
