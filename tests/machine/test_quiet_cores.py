"""Quiet cores: who trains stands still while another process measures, and nobody waits for ever."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

import lightsearch
from lightsearch.declare.reading import read_declaration
from lightsearch.machine import quiet_cores
from lightsearch.machine.quiet_cores import Cores
from tests.faults.helpers import wait_for

fork = multiprocessing.get_context("fork")


def train(folder: Path, name: str) -> None:
    """Trains for ever in batches of a millisecond, and notes each of them."""
    cores = Cores(folder)
    with (folder / name).open("ab", buffering=0) as log, cores.training():
        while True:
            cores.give_way()
            time.sleep(0.001)
            log.write(b".")


def batches(folder: Path) -> list[int]:
    return [(folder / name).stat().st_size for name in ("first", "second") if (folder / name).exists()] or [0]


def have_trained_since(folder: Path, before: list[int]) -> bool:
    return all(now > then for now, then in zip(batches(folder), before, strict=True))


def test_all_that_train_stand_still_while_one_measures(tmp_path: Path) -> None:
    trains = [fork.Process(target=train, args=(tmp_path, name), daemon=True) for name in ("first", "second")]
    for process in trains:
        process.start()
    try:
        wait_for(lambda: len(batches(tmp_path)) == 2 and min(batches(tmp_path)) > 20)
        for _ in range(3):
            with Cores(tmp_path).quiet() as still:
                assert still
                before = batches(tmp_path)
                time.sleep(0.1)
                assert batches(tmp_path) == before
            wait_for(partial(have_trained_since, tmp_path, before))
    finally:
        for process in trains:
            process.kill()
            process.join()


def measure_for_ever(folder: Path) -> None:
    with Cores(folder).quiet():
        (folder / "measures").touch()
        time.sleep(600)


def test_one_that_is_killed_while_it_measures_stops_nobody(tmp_path: Path) -> None:
    measures = fork.Process(target=measure_for_ever, args=(tmp_path,), daemon=True)
    measures.start()
    trains = fork.Process(target=train, args=(tmp_path, "first"), daemon=True)
    try:
        wait_for((tmp_path / "measures").exists)
        trains.start()
        wait_for((tmp_path / "first").exists)
        time.sleep(0.1)
        assert batches(tmp_path) == [0]
        assert measures.pid is not None
        os.kill(measures.pid, signal.SIGKILL)
        wait_for(lambda: batches(tmp_path)[0] > 20)
    finally:
        for process in (measures, trains):
            if process.pid is not None:
                process.kill()
                process.join()


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_cores, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(quiet_cores, "TURN_SECONDS", 0.05)
    stuck, mine = Cores(tmp_path), Cores(tmp_path)
    with stuck.training(), mine.quiet() as still:
        assert not still  # measured all the same
    with mine.training():
        with stuck.quiet() as still:
            assert not still
            mine.give_way()
            mine.give_way()  # it is not waited for again
        with Cores(tmp_path).quiet() as still:
            assert not still
    with mine.quiet() as still:
        assert still


def test_members_of_a_pack_share_a_process(tmp_path: Path) -> None:
    cores, other = Cores(tmp_path), Cores(tmp_path)
    with cores.training(), cores.training():
        with cores.quiet() as still:
            assert still  # its own members stand still in any case
        with other.training():
            pass
    with other.quiet() as still:
        assert still


def measure_beside_training(folder: Path, name: str, other: str) -> None:
    """Measures in a process of which another trial trains, as in a pack."""
    cores = Cores(folder)
    with cores.training():
        (folder / name).touch()
        wait_for((folder / other).exists)
        with cores.quiet() as still:
            (folder / f"{name}-{still}").touch()


def test_two_packs_that_measure_do_not_wait_for_each_other(tmp_path: Path) -> None:
    packs = [
        fork.Process(target=measure_beside_training, args=(tmp_path, *names), daemon=True)
        for names in (("a", "b"), ("b", "a"))
    ]
    for process in packs:
        process.start()
    for process in packs:
        process.join()
    assert {file.name for file in tmp_path.glob("[ab]-*")} == {"a-True", "b-True"}


def test_where_no_lock_can_be_made_it_is_measured_all_the_same(tmp_path: Path) -> None:
    with Cores(tmp_path / "not there").quiet() as still:
        assert still


WATCHFUL = """
import os
from pathlib import Path
import torch
from lightsearch import Classifier

class Watchful(Classifier):
    def forward(self, x):
        if len(x) > 1 or not torch.is_inference_mode_enabled():
            return super().forward(x)
        mark = Path(f"measuring-{os.getpid()}")
        mark.touch()
        y = super().forward(x)
        mark.unlink()
        return y

    def training_step(self, batch):
        with open("seen.log", "a") as log:
            log.write(f"{len(list(Path().glob('measuring-*')))} ")
        return super().training_step(batch)
"""


@pytest.mark.slow
def test_no_trial_trains_while_another_measures(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "watchful.py").write_text(WATCHFUL)
    monkeypatch.syspath_prepend(place)
    declared = read_declaration(place / "studies" / "digits.toml", ["trainer={max_epochs=6, patience=0}"])
    declared |= {"metric": ["val_acc", "latency_ms"], "direction": ["maximize", "minimize"]}
    declared["pruner"] = {"name": "NopPruner"}
    declared["model"] = {"class_path": "watchful.Watchful"}
    declared["space"]["data"] = {"batch_size": {"choice": [32]}}
    result = lightsearch.search(declared, n_trials=4, workers=2)
    assert result.ending == "done"
    seen = (place / "seen.log").read_text().split()
    assert len(seen) > 4 * 6 * 30
    assert set(seen) == {"0"}
