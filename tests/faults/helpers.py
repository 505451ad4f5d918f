"""What the fault tests share: searches as real processes, and what a study must look like after any fault."""

from __future__ import annotations

import csv
import functools
import re
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import psutil
from sqlalchemy.exc import SQLAlchemyError

from lightsearch.study.epoch_values import curve_of
from tests.conftest import Process

Started = Callable[..., Process]

# About 0.1 s per epoch and 30 epochs per trial: long enough to be killed during a trial, short enough to be finished.
SLOW = (
    *("--set", "trainer.max_epochs=30", "--set", "trainer.patience=0", "--set", "pruner={name='NopPruner'}"),
    *("--set", "space.data={batch_size={choice=[32]}}"),
)


def load(place: Path, url: str | None = None) -> optuna.Study:
    return optuna.load_study(storage=url or f"sqlite:///{place}/studies/studies.db", study_name="digits")


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (KeyError, IndexError, optuna.exceptions.StorageInternalError, SQLAlchemyError, psutil.Error):
            pass  # not there yet
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


def epochs_reported(place: Path, at_least: int, url: str | None = None) -> bool:
    return any(max(curve_of(trial), default=0) >= at_least for trial in _watched(place, url).trials)


@functools.cache
def _watched(place: Path, url: str | None) -> optuna.Study:
    """The study, opened once: a test that waits for an epoch looks at it ten times a second."""
    return load(place, url)


def workers(process: Process) -> list[psutil.Process]:
    """The processes that run trials: those that have a trial's log open."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(re.search(r"trial-\d+/log\.txt$", file.path) for file in child.open_files()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def search_processes(process: Process) -> list[psutil.Process]:
    """A search and all processes that it has started."""
    coordinator = psutil.Process(process.pid)
    return [coordinator, *coordinator.children(recursive=True)]


def check_whole(place: Path, n_trials: int, url: str | None = None) -> None:
    """Asserts that the study has exactly ``n_trials`` finished trials, each with every epoch reported once, in order.

    What the storage has of an epoch is what ``epochs.csv`` has, and nothing is left in the folders of what was killed.
    """
    trials = load(place, url).trials
    assert [trial.number for trial in trials] == list(range(n_trials))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    for trial in trials:
        assert list(curve_of(trial)) == list(range(30))
        folder = place / "studies" / "digits" / f"trial-{trial.number:04d}"
        with (folder / "epochs.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {int(row["epoch"]): float(row["val_acc"]) for row in rows} == curve_of(trial)
        assert not [file.name for file in folder.iterdir() if file.name.startswith(".")]
        assert trial.user_attrs["result"]["epochs"] == 30
