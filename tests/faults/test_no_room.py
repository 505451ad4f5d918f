"""A full disk, and folders that cannot be written to: one line says so, nothing is lost, the search goes on later."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from tests.conftest import command, enter, environment
from tests.faults.helpers import SLOW, Started, check_whole, epochs_reported, load, wait_for, workers

NOBODY = 65534


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        pytest.param(3_000_000, ".ckpt cannot be written: File too large", id="no room for a checkpoint"),
        pytest.param(0, "trial 0: ", id="no room for a byte", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_leaves_the_previous_checkpoint(place: Path, started: Started, limit: int, said: str) -> None:
    wide = ("--set", "space.model.hidden_size={choice=[512]}")  # a checkpoint of 3.6 MB
    process = started("--n-trials", 2, "--workers", 1, *wide)
    wait_for(lambda: epochs_reported(place, 5))
    workers(process)[0].rlimit(resource.RLIMIT_FSIZE, (limit, limit))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if "stopped: " in line]
    assert said in line
    assert "fix that, and give the same command again" in line
    trial = load(place).trials[0]
    assert trial.state.name == "WAITING"
    assert (place / "studies" / "digits" / "trial-0000" / "last.ckpt").exists()
    assert not list((place / "studies" / "digits").glob("*/.*.ckpt.*"))  # no half of one
    done = command("run", "--n-trials", 2, *SLOW, *wide, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 2)


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        (disk / "studies").mkdir()
        shutil.copy(Path(__file__).parents[2] / "studies" / "digits.toml", disk / "studies")
        options = ("--n-trials", 4, *SLOW, "--set", "space.model.hidden_size={int=[200, 256]}")
        full = command("run", *options, cwd=disk)
        said = full.stdout + full.stderr
        assert full.returncode == 1, said
        assert "Traceback" not in said
        assert "fix that, and give the same command again" in said
        assert "No space left on device" in said or "is full" in said or "disk I/O error" in said
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        done = command("run", *options, cwd=disk)
        assert done.returncode == 0, done.stdout + done.stderr
        check_whole(disk, 4)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def open_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to search in that belongs to a user who is not root, and that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        place = enter(Path(folder), monkeypatch)
        for part in (place, place / "studies"):
            part.chmod(0o755)
            if os.getuid() == 0:
                os.chown(part, NOBODY, NOBODY)
        yield place


def as_somebody(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a search as a user who is not root but may read every file, so that it finds Python."""
    words = [sys.executable, "-m", "search.run", *map(str, arguments)]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("there is no setpriv to become another user with")
        read = "+dac_read_search"
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        become += ["--inh-caps", read, "--ambient-caps", read]
        if subprocess.run([*become, "test", "-r", optuna.__file__], check=False).returncode != 0:
            pytest.skip("the packages lie in a folder that only root can enter")
        words = [*become, *words]
    return subprocess.run(words, cwd=place, env=environment(), text=True, capture_output=True, check=False)


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_runs(open_place: Path) -> None:
    for folder in (open_place / "studies", open_place):
        folder.chmod(0o555)
    refused = as_somebody(open_place, "--n-trials", 1)
    assert refused.returncode == 2
    assert "is not writable" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert sorted(file.name for file in (open_place / "studies").iterdir()) == sorted(
        file.name for file in (Path(__file__).parents[2] / "studies").glob("*.toml")
    )


@pytest.mark.slow
def test_a_folder_that_becomes_read_only_while_a_search_runs(open_place: Path) -> None:
    (open_place / "odd.py").write_text(
        "import os\nfrom lightsearch import Classifier\n\n"
        "class Closes(Classifier):\n    def on_train_epoch_start(self):\n"
        "        if self.current_epoch == 3 and not os.path.exists('closed'):\n"
        "            os.chmod(self.trainer.default_root_dir, 0o555)\n"
    )
    options = ("--n-trials", 1, "--workers", 1, *SLOW, "--set", "model.class_path=odd.Closes")
    stopped = as_somebody(open_place, *options)
    said = stopped.stdout + stopped.stderr
    assert stopped.returncode == 1, said
    assert "Traceback" not in said
    assert "cannot be written" in said
    folder = open_place / "studies" / "digits" / "trial-0000"
    assert load(open_place).trials[0].state.name == "WAITING"
    folder.chmod(0o755)
    (open_place / "closed").touch()
    done = as_somebody(open_place, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(open_place, 1)
