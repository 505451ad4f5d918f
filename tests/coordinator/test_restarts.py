"""Deaths of a job's processes: which are counted, and what they mean."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lightsearch.coordinator.restarts import MAX_CRASHES, MAX_LOSSES, Restarts, progress_of
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import CANNOT_WRITE, Ended
from lightsearch.outcome import Kind

KILLED = Ended(0, -signal.SIGKILL)
LOST = Ended(0, 1, reason="its machine is gone", machine_lost=True)


def test_a_job_that_dies_at_one_place_fails_after_a_few_tries(tmp_path: Path) -> None:
    restarts = Restarts()
    assert [restarts.judge(KILLED, tmp_path) for _ in range(MAX_CRASHES)] == [None] * MAX_CRASHES
    failure = restarts.judge(KILLED, tmp_path)
    assert failure is not None
    assert failure == (Kind.CRASHED, "its process died (SIGKILL)")
    assert failure.error.type == "Crashed"


def test_one_that_gets_further_each_time_goes_on(tmp_path: Path) -> None:
    (tmp_path / "epochs.csv").write_text("epoch\n0\n")
    restarts = Restarts(progress_of(tmp_path))
    for epoch in range(1, 9):
        assert restarts.judge(KILLED, tmp_path) is None
        with (tmp_path / "epochs.csv").open("a") as table:
            table.write(f"{epoch}\n")
    assert restarts.judge(KILLED, tmp_path) is None
    assert restarts.crashes == 1


def test_lost_machines_are_counted_apart(tmp_path: Path) -> None:
    restarts = Restarts()
    assert all(restarts.judge(LOST, tmp_path) is None for _ in range(MAX_LOSSES))
    assert restarts.judge(KILLED, tmp_path) is None
    assert restarts.judge(LOST, tmp_path) == (Kind.CRASHED, "its machine is gone")


def test_no_memory_is_no_crash_unless_others_may_have_taken_it(tmp_path: Path) -> None:
    alone = Restarts().judge(Ended(0, -signal.SIGKILL, out_of_memory=True), tmp_path)
    assert alone is not None
    assert alone.kind is Kind.OUT_OF_MEMORY
    assert alone.error.type == "OutOfMemory"
    assert Restarts().judge(Ended(0, -signal.SIGKILL, out_of_memory=True, shared_process=True), tmp_path) is None


def test_what_cannot_write_has_not_failed(tmp_path: Path) -> None:
    with pytest.raises(ResourceUnavailable, match="is the disk full"):
        Restarts().judge(Ended(0, CANNOT_WRITE), tmp_path)
    (tmp_path / "log.txt").write_text("epoch 3\nlast.ckpt cannot be written: No space left on device\n")
    with pytest.raises(ResourceUnavailable, match=r"^last\.ckpt cannot be written: No space left on device$"):
        Restarts().judge(Ended(0, CANNOT_WRITE), tmp_path)
