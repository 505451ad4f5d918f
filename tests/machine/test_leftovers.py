"""What killed processes leave behind is removed, and a log has an end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from lightsearch.machine import leftovers
from lightsearch.machine.owner import Owner, this_process
from lightsearch.training.worker_lock import sole_worker


def dead() -> Owner:
    """A process that was here, and is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        started = psutil.Process(process.pid).create_time()
    return this_process().model_copy(update={"pid": process.pid, "started": started})


def killed_in(folder: Path) -> None:
    """Leaves what a worker leaves that is killed as it writes."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = dead()
    for name in (f".best.ckpt.{owner.pid}", f".epochs.csv.{owner.pid}", f".last.ckpt.{owner.pid}", ".a.ckpt.fetched"):
        (folder / name).write_text("a part")
    (folder / ".worker.json").write_text(owner.model_dump_json())
    (folder / ".worker.lock").touch()
    (folder / "best.ckpt").write_text("weights")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_trial_that_is_started_again_finds_nothing_of_a_dead_attempt(tmp_path: Path) -> None:
    killed_in(tmp_path)
    with sole_worker(tmp_path):
        assert names(tmp_path) == [".worker.json", ".worker.lock", "best.ckpt"]
        assert Owner.model_validate_json((tmp_path / ".worker.json").read_text()) == this_process()


def test_the_folder_of_an_ended_trial_has_its_results_alone(tmp_path: Path) -> None:
    killed_in(tmp_path / "trial-0000")
    killed_in(tmp_path / "trial-0001")
    with sole_worker(tmp_path / "trial-0001"):  # by a worker that is late
        leftovers.sweep(tmp_path, [0, 1, 2])
        assert names(tmp_path / "trial-0001") == [".worker.json", ".worker.lock", "best.ckpt"]
    assert names(tmp_path / "trial-0000") == ["best.ckpt"]


def test_sockets_of_killed_processes_are_removed_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, owner in (("pymp-dead", dead()), ("pymp-alive", this_process())):
        (tmp_path / name).mkdir()
        (tmp_path / name / leftovers.SOCKETS).write_text(owner.model_dump_json())
    (tmp_path / "pymp-other").mkdir()
    leftovers.sweep_sockets()
    assert names(tmp_path) == ["pymp-alive", "pymp-other"]


def test_a_log_without_end_keeps_its_head_and_its_tail(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with log.open("a") as writer:
        print("the first line", file=writer)
        for number in range(leftovers.LOG_BYTES // 50 + 1000):
            print(f"{number:049}", file=writer)
        writer.flush()
        leftovers.trim_log(log)
        print("the last line", file=writer)  # its writer goes on
    assert log.stat().st_size < leftovers.LOG_BYTES
    lines = log.read_text().splitlines()
    assert lines[0] == "the first line"
    assert lines[-2:] == [f"{leftovers.LOG_BYTES // 50 + 999:049}", "the last line"]
    assert sum("bytes left out" in line for line in lines) == 1
    size = log.stat().st_size
    leftovers.trim_log(log)
    assert log.stat().st_size == size


def test_a_log_is_kept_short_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LOG_SECONDS", 0.01)
    monkeypatch.setattr(leftovers, "LOG_BYTES", 100_000)
    monkeypatch.setattr(leftovers, "HEAD_BYTES", 1000)
    monkeypatch.setattr(leftovers, "TAIL_BYTES", 1000)
    done = leftovers.limit_log(tmp_path / "log.txt")
    with (tmp_path / "log.txt").open("a") as writer:
        while "left out" not in (tmp_path / "log.txt").read_text():
            writer.write("x" * 1000)
            writer.flush()
    done.set()
