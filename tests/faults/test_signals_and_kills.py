"""Real processes and real signals: whatever ends a search, the same command finishes it with exactly N trials."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import optuna
import pytest

from lightsearch.study.epoch_values import epoch_values_of
from tests.conftest import command
from tests.faults.helpers import SLOW, Started, check_whole, epochs_reported, load, wait_for, workers

SEVERAL = ("--set", 'metric=["val_acc", "parameters"]', "--set", 'direction=["maximize", "minimize"]')


@pytest.mark.parametrize(
    "objectives", [pytest.param((), id="one objective"), pytest.param(SEVERAL, id="several", marks=pytest.mark.slow)]
)
def test_a_killed_worker_goes_on_from_its_checkpoint(
    place: Path, started: Started, objectives: tuple[str, ...]
) -> None:
    whole = command("run", "--name", "whole", "--n-trials", 2, *SLOW, *objectives, cwd=place)
    assert whole.returncode == 0, whole.stderr
    process = started("--n-trials", 2, *objectives)
    wait_for(lambda: epochs_reported(place, 8))
    victims = workers(process)
    assert victims
    victims[0].kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "its process died (SIGKILL); going on from its last checkpoint, attempt 2" in output
    check_whole(place, 2)
    # The curve is that of a search without a kill.
    undisturbed = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="whole")
    for before, after in zip(undisturbed.trials, load(place).trials, strict=True):
        assert before.intermediate_values == after.intermediate_values
        assert epoch_values_of(before) == epoch_values_of(after)


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


def test_a_killed_coordinator_takes_its_workers_along_and_is_continued(place: Path, started: Started) -> None:
    process = started("--n-trials", 3)
    wait_for(lambda: epochs_reported(place, 6))
    running = workers(process)
    assert running
    process.kill()
    process.wait()
    wait_for(lambda: not any(worker.is_running() for worker in running), 30)
    assert {trial.state.name for trial in load(place).trials} == {"RUNNING"}
    assert "its coordinator is dead" in command("status", "--study", "digits", cwd=place).stdout
    done = command("run", "--n-trials", 3, *SLOW, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 3)
    results = json.loads((place / "studies" / "digits" / "results.json").read_text())
    assert results["counts"]["states"] == {"complete": 3}


def test_a_signal_while_it_loads(place: Path, started: Started) -> None:
    process = started("--n-trials", 3, fresh=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("loading PyTorch")
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=240)  # a cold disk reads PyTorch for long
    assert process.returncode == 130, output
    assert "Traceback" not in output


def test_a_second_signal_ends_it_at_once(place: Path, started: Started) -> None:
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
    assert process.poll() is None  # the workers ignore the signal: the search waits for them
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "RUNNING" not in {trial.state.name for trial in load(place).trials}


def test_two_coordinators_on_one_study(place: Path, started: Started) -> None:
    processes = [started("--n-trials", 5, "--workers", 2) for _ in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    check_whole(place, 5)
    owners = {trial.user_attrs["owner"]["pid"] for trial in load(place).trials}
    assert len(owners) == 2


@pytest.mark.parametrize(
    ("hook", "number"),
    [
        pytest.param("on_train_batch_start", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("on_train_batch_start", signal.SIGTERM, marks=pytest.mark.slow),
        ("on_validation_epoch_start", signal.SIGINT),
        pytest.param("on_save_checkpoint", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_signal_in_the_middle_of(place: Path, started: Started, hook: str, number: int) -> None:
    (place / "odd.py").write_text(
        "import time\nfrom pathlib import Path\nfrom lightsearch import Classifier\n\n"
        f"class Slow(Classifier):\n    def {hook}(self, *_):\n"
        "        if self.current_epoch == 3 and not Path('gone-on').exists():\n"
        "            Path('there').touch()\n            time.sleep(30)\n"
    )
    slow = ("--set", "model.class_path=odd.Slow")
    process = started("--n-trials", 2, *slow)
    wait_for((place / "there").exists)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    assert "Traceback" not in output
    assert {trial.state.name for trial in load(place).trials} == {"WAITING"}
    assert len(list((place / "studies" / "digits").glob("*/last.ckpt"))) == 2
    (place / "gone-on").touch()
    done = command("run", "--n-trials", 2, *SLOW, *slow, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 2)


@pytest.mark.parametrize("ending", [pytest.param("early_stopping", marks=pytest.mark.slow), "pruned"])
def test_a_trial_killed_between_its_last_epoch_and_its_result_trains_no_more(place: Path, ending: str) -> None:
    # The first process dies when the fit has ended; the second one finds everything in the checkpoint.
    (place / "odd.py").write_text(
        "import os, signal\nfrom pathlib import Path\nfrom lightsearch import Classifier\n\n"
        "class Dies(Classifier):\n    def on_train_epoch_start(self):\n"
        "        if 'trial-' in str(self.trainer.default_root_dir):  # a dry run comes before\n"
        "            with open('epochs.log', 'a') as log:\n                log.write(f'{self.current_epoch}\\n')\n"
        "    def on_fit_end(self):\n"
        "        if Path('epochs.log').exists() and not Path('died').exists():\n            Path('died').touch()\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    options = ["--set", "model.class_path=odd.Dies", "--n-trials", 1, "--workers", 1, "--set", "trainer.max_epochs=30"]
    if ending == "early_stopping":
        options += ["--set", "trainer.patience=2", "--set", "pruner={name='NopPruner'}"]
    else:
        options += ["--set", "pruner={name='ThresholdPruner', init_args={upper=0.0, n_warmup_steps=3}}"]
    done = command("run", *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attempt 2" in done.stdout
    begun = [int(line) for line in (place / "epochs.log").read_text().split()]
    assert begun == list(range(len(begun)))
    result = load(place).trials[0].user_attrs["result"]
    assert result["stop_reason"] == ending
    assert result["epochs"] == len(begun)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_trial_in_the_search_s_own_process(place: Path, started: Started, number: int) -> None:
    process = started("--n-trials", 2, "--workers", 0)
    wait_for(lambda: epochs_reported(place, 5))
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    assert "Traceback" not in output
    assert "run the same command again to continue" in output
    assert [trial.state.name for trial in load(place).trials] == ["WAITING"]
    assert (place / "studies" / "digits" / "trial-0000" / "last.ckpt").exists()
    done = command("run", "--n-trials", 2, "--workers", 0, *SLOW, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 2)


@pytest.mark.slow
def test_a_second_signal_ends_a_deaf_trial_in_the_search_s_own_process(place: Path, started: Started) -> None:
    (place / "odd.py").write_text(
        "import time\nfrom lightsearch import Classifier\n\n"
        "class Deaf(Classifier):\n    def on_train_epoch_end(self):\n        super().on_train_epoch_end()\n"
        "        if self.current_epoch == 3:\n            try:\n                time.sleep(600)\n"
        "            except BaseException:\n                time.sleep(600)\n"
    )
    process = started("--n-trials", 2, "--workers", 0, "--set", "model.class_path=odd.Deaf")
    wait_for(lambda: epochs_reported(place, 2))
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert [trial.state.name for trial in load(place).trials] == ["WAITING"]
