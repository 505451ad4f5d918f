"""Trials that fail: which of them stop a search, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from tests.cli.stored import QUICK, load
from tests.conftest import command

HANGS = """
import time
from lightsearch import Classifier

class Hangs(Classifier):
    def on_train_start(self):
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
"""


@pytest.mark.slow
def test_a_hanging_trial_is_killed_at_its_time_limit(place: Path) -> None:
    (place / "odd.py").write_text(HANGS)
    done = command(
        "run", "--set", "model.class_path=odd.Hangs", "--n-trials", 3, "--workers", 3, "--trial-timeout", 1, cwd=place
    )
    assert done.returncode == 1
    assert "killed after 1 s" in done.stdout
    failed = [trial for trial in load(place).trials if trial.state is optuna.trial.TrialState.FAIL]
    assert len(failed) >= 3
    assert {trial.user_attrs["kind"] for trial in failed} == {"timeout"}


FAILS = """
from lightsearch import Classifier

class Fails(Classifier):
    def training_step(self, batch):
        if self.current_epoch == 1:
            raise ValueError("no such layer")
        return super().training_step(batch)
"""


def test_the_same_error_again_and_again_stops_the_search_with_its_traceback(place: Path) -> None:
    (place / "odd.py").write_text(FAILS)
    fails = ("--set", "model.class_path=odd.Fails", "--n-trials", 20, "--workers", 1)
    paused = command("run", "--name", "paused", *fails, cwd=place)
    assert "stopped: the same failure 3 times in a row" in paused.stdout
    done = command("run", *fails, "--set", "pruner={name='NopPruner'}", cwd=place)
    assert done.returncode == 1
    assert "stopped: the same failure 3 times in a row" in done.stdout
    assert 'odd.py", line 7, in training_step' in done.stdout
    assert "site-packages" not in done.stdout.partition("last error")[2]
    assert "site-packages" in (place / "studies" / "digits" / "trial-0002" / "log.txt").read_text()
    kinds = [trial.user_attrs["kind"] for trial in load(place).trials]
    assert kinds == ["user_error"] * 3
    (place / "odd.py").write_text(
        FAILS.replace('raise ValueError("no such layer")', "return super().training_step(batch)")
    )
    fixed = ("--set", "model.class_path=odd.Fails", "--set", "trainer.max_epochs=1", "--set", "direction=minimize")
    done = command("run", *fixed, "--n-trials", 1, "--workers", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the study restarts; its unfinished trials are kept in the study digits.before-1" in done.stdout
    assert [trial.state.name for trial in load(place).trials] == ["COMPLETE"]
    assert len(load(place, "digits.before-1").trials) == 3
    assert (place / "studies" / "digits.before-1" / "trial-0002" / "log.txt").exists()
    (place / "odd.py").write_text((place / "odd.py").read_text() + "# a comment\n")
    assert "changed since the last run: the source of odd" in command("run", *fixed, "--n-trials", 1, cwd=place).stdout


DIVERGES = """
import torch
from lightsearch import Classifier

class Diverges(Classifier):
    def training_step(self, batch):
        loss = super().training_step(batch)
        return loss * torch.tensor(float("nan")) if self.hparams.hidden_size == 16 else loss
"""


def test_a_diverged_trial_fails_alone(place: Path) -> None:
    (place / "odd.py").write_text(DIVERGES)
    done = command(
        "run",
        *("--set", "model.class_path=odd.Diverges", "--set", "enqueue=[{hidden_size=16}]", "--n-trials", 3, *QUICK),
        cwd=place,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    trials = load(place).trials
    assert [trial.user_attrs["kind"] for trial in trials] == ["diverged"] + ["complete"] * 3
    assert trials[0].state is optuna.trial.TrialState.FAIL
