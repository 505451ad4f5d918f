"""A rank of a trial on two devices fails, is killed or is stopped: the trial ends as a whole."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import command, start
from tests.faults.helpers import SLOW, check_whole, epochs_reported, load, wait_for, workers

TWO = ("--set", "trainer.devices=2", "--set", "trainer.accelerator=cpu")


@pytest.mark.slow
def test_killed_and_stopped_it_leaves_no_process_and_goes_on(place: Path) -> None:
    options = (*SLOW, *TWO)
    process = start("run", "--n-trials", 1, *options, cwd=place)
    known: list[psutil.Process] = []

    def ranks() -> tuple[psutil.Process, psutil.Process]:
        """Of the attempt that trains now."""
        wait_for(lambda: len(alive := workers(process)) == 2 and not set(alive) & set(known))
        known.extend(workers(process))
        first, second = sorted(known[-2:], key=lambda rank: rank.ppid() in [other.pid for other in known])
        assert second.ppid() == first.pid
        return first, second

    def trained(epochs: int) -> None:
        wait_for(lambda: epochs_reported(place, epochs))

    try:
        trained(4)
        first, second = ranks()
        second.kill()
        wait_for(lambda: not (first.is_running() or second.is_running()))
        trained(8)
        first, second = ranks()
        first.kill()
        wait_for(lambda: not second.is_running(), 5)
        trained(12)
        _, second = ranks()
        second.terminate()
        trained(16)
        ranks()
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, output
    assert output.count("its process died (SIGKILL); going on from its last checkpoint") == 2, output
    assert "asked to stop from outside" in output
    wait_for(lambda: not any(rank.is_running() for rank in known), 10)
    assert [trial.state.name for trial in load(place).trials] == ["WAITING"]
    done = command("run", "--n-trials", 1, *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 1)
    again = command("retrain", "--study", "digits", "--reproduce", 0, cwd=place)
    assert "is reproduced to the bit" in again.stdout, again.stdout + again.stderr


@pytest.mark.slow
def test_whatever_ends_another_rank_ends_the_trial(place: Path) -> None:
    (place / "faulty.py").write_text(
        "import multiprocessing, os, pathlib, time\n"
        "from lightsearch import Classifier\n\n"
        "class Faulty(Classifier):\n"
        "    def __init__(self, in_features, num_classes, fault='none'):\n"
        "        super().__init__(in_features, num_classes, hidden_size=16)\n"
        "        self.fault = fault\n"
        "        with pathlib.Path('pids').open('a') as file:\n"
        "            print(os.getpid(), file=file)\n"
        "        if fault == 'build' and multiprocessing.current_process().name == 'rank-1':\n"
        "            raise ValueError('it cannot be built')\n"
        "    def training_step(self, batch):\n"
        "        loss = super().training_step(batch)\n"
        "        if self.current_epoch == 1 and self.fault == 'alone' and self.global_rank == 0:\n"
        "            time.sleep(600)\n"
        "        if self.current_epoch == 1 and self.global_rank == 1:\n"
        "            if self.fault == 'memory':\n"
        "                raise MemoryError('no room')\n"
        "            if self.fault == 'nan':\n"
        "                loss = loss * float('nan')\n"
        "            if self.fault == 'exit':\n"
        "                os._exit(3)\n"
        "            if self.fault in ('raise', 'alone'):\n"
        "                raise ValueError(f'bad data: {self.fault}')\n"
        "        return loss\n"
        "    def on_fit_end(self):\n"
        "        if self.fault == 'late' and self.global_rank == 1:\n"
        "            raise ValueError('it cannot end')\n"
    )
    endings = {
        "build": ("user_error", "ValueError", "it cannot be built"),
        "memory": ("out_of_memory", "MemoryError", "no room"),
        "nan": ("diverged", "Diverged", "val_loss is nan in epoch 2"),
        "exit": ("crashed", "Crashed", "its process died (exit status 3)"),
        "raise": ("user_error", "ValueError", "bad data: raise"),
        "alone": ("user_error", "ValueError", "bad data: alone"),
        "late": ("user_error", "ValueError", "it cannot end"),
        "none": ("complete", None, None),
    }
    names = ", ".join(f'"{name}"' for name in endings)
    enqueued = ", ".join(f'{{fault="{name}"}}' for name in endings)
    options = (
        *("--set", "model.class_path=faulty.Faulty", "--set", f"space.model={{fault={{choice=[{names}]}}}}"),
        *("--set", f"enqueue=[{enqueued}]", "--set", "trainer.max_epochs=3", "--set", "pruner.name=NopPruner"),
    )
    done = command("run", "--n-trials", 1, *TWO, *options, "--workers", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for trial in load(place).trials:
        error = trial.user_attrs["result"].get("error") or {"type": None, "message": None}
        found[trial.params["fault"]] = (trial.user_attrs["kind"], error["type"], error["message"])
    assert found == endings
    assert "line" in load(place).trials[4].user_attrs["result"]["error"]["traceback"]  # where it was raised
    pids = (place / "pids").read_text().split()
    assert len(pids) == 1 + 2 * (len(endings) + 2)  # a dry run came before; one was tried three times
    wait_for(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids), 10)
