"""A search stands still until its leases have ended, and then goes on: its trials belong to another search by then."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import command
from tests.faults.helpers import SLOW, Started, check_whole, epochs_reported, load, wait_for, workers


def digests(folder: Path) -> dict[str, str]:
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*.*"))}


@pytest.mark.parametrize("stopped", ["everything", pytest.param("the coordinator", marks=pytest.mark.slow)])
def test_what_stood_still_past_its_lease_overwrites_nothing(place: Path, started: Started, stopped: str) -> None:
    late = started("--n-trials", 2, "--workers", 1, "--set", "trainer.max_epochs=30")
    wait_for(lambda: epochs_reported(place, 5))
    worker = workers(late)[0]
    if stopped == "everything":
        os.killpg(late.pid, signal.SIGSTOP)
    else:
        os.kill(late.pid, signal.SIGSTOP)
    study = load(place)
    for trial in study.trials:  # as after two minutes
        if trial.state.name == "RUNNING":
            study._storage.set_trial_user_attr(trial._trial_id, "lease", 0.0)
    other = command("run", "--n-trials", 2, *SLOW, cwd=place)
    assert other.returncode == 0, other.stdout + other.stderr
    check_whole(place, 2)
    before = digests(place / "studies" / "digits" / "trial-0000")
    os.killpg(late.pid, signal.SIGCONT)
    output, _ = late.communicate(timeout=60)
    assert late.returncode == 0, output
    assert "trial 0: another coordinator has taken over this trial because its lease expired" in output
    assert not worker.is_running()
    assert digests(place / "studies" / "digits" / "trial-0000") == before
    check_whole(place, 2)
    assert load(place).trials[0].user_attrs["attempt"] == 2
