"""Thirty kills of workers and coordinators, one after the other, in one study."""

from __future__ import annotations

import json
import random
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch

from tests.conftest import Process, command
from tests.faults.helpers import SLOW, Started, load, wait_for, workers

KILLS, TRIALS = 30, 16
EPOCHS = 30  # those of SLOW
MODEL = """
import json, os, time
from pathlib import Path
from lightsearch import Classifier

class Noted(Classifier):
    def on_train_epoch_start(self):
        name = Path(self.trainer.default_root_dir).name
        if not name.startswith("trial-"):
            return  # a dry run
        line = json.dumps([name, self.current_epoch]) + "\\n"
        log = os.open("epochs.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(log, line.encode())
        os.close(log)
        time.sleep(0.05)
"""
OPTIONS = ("--set", "model.class_path=noted.Noted")


def kept_epochs(place: Path) -> dict[str, int]:
    """The epoch of every trial's last checkpoint."""
    kept = {}
    for file in (place / "studies" / "digits").glob("*/last.ckpt"):
        kept[file.parent.name] = int(torch.load(file, weights_only=True)["epoch"])
    return kept


def begun_epochs(place: Path) -> list[tuple[str, int]]:
    """Every epoch that a trial has started, in order of time."""
    log = place / "epochs.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(trial, epoch) for trial, epoch in map(json.loads, lines)]


def is_at_work(process: Process) -> bool:
    return process.poll() is not None or bool(workers(process))


@pytest.mark.slow
def test_a_study_survives_thirty_kills(place: Path, started: Started) -> None:
    (place / "noted.py").write_text(MODEL)
    dice = random.Random(7)
    promises: list[tuple[int, str, int]] = []  # from this line of the log on, this trial starts no epoch up to this one
    victims = {"worker": 0, "coordinator": 0}
    process = None
    while sum(victims.values()) < KILLS:
        if process is None or process.poll() is not None:
            process = started("--n-trials", TRIALS, *OPTIONS)
        wait_for(partial(is_at_work, process))
        time.sleep(dice.uniform(0.1, 1.0))
        assert process.poll() is None, process.communicate()
        running = workers(process)
        if dice.random() < 0.7 and running:
            victim, what = dice.choice(running), "worker"
        else:
            victim, what = psutil.Process(process.pid), "coordinator"
        kept = kept_epochs(place)
        promises += [(len(begun_epochs(place)), trial, epoch) for trial, epoch in kept.items()]
        victim.kill()
        victims[what] += 1
        if what == "coordinator":
            process.communicate()
    assert process is not None
    process.communicate(timeout=300)
    done = command("run", "--n-trials", TRIALS, *SLOW, *OPTIONS, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert min(victims.values()) >= 5

    trials = load(place).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    states = [trial.state.name for trial in trials]
    assert states.count("COMPLETE") == TRIALS
    # A trial that was killed three times before its first checkpoint fails and does not count.
    # The kernel counts what it killed for want of memory, and another test may have had it do so at the same time.
    kinds = {trial.user_attrs["kind"] for trial in trials if trial.state.name != "COMPLETE"}
    assert kinds <= {"crashed", "out_of_memory"}
    for trial in trials:
        if trial.state.name == "COMPLETE":
            assert list(trial.intermediate_values) == list(range(EPOCHS))
            assert trial.user_attrs["result"]["epochs"] == EPOCHS
    begun = begun_epochs(place)
    for since, trial_name, epoch in promises:
        again = [late for name, late in begun[since:] if name == trial_name and late <= epoch]
        assert not again, f"{trial_name} trained {again} again, though epoch {epoch} was in its checkpoint"
