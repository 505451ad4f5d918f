"""What a dry run leaves behind: nothing, in this process and in a child."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from lightsearch.launchers.fork_server import ForkServer
from lightsearch.preflight.dry_run import DryRun, dry_run
from tests.preflight.modules import Broken, InWorkers, Net, refused, study, tried


class Changes(Net):
    def on_train_start(self) -> None:
        os.environ["CHANGED"] = "1"
        torch.set_num_threads(1)
        random.random()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def test_this_process_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = random.getstate(), torch.get_rng_state(), torch.get_num_threads(), dict(os.environ)
    handler = signal.getsignal(signal.SIGTERM)
    assert tried(Changes) == DryRun()
    after = random.getstate(), torch.get_rng_state(), torch.get_num_threads(), dict(os.environ)
    assert torch.equal(before[1], after[1])
    assert (before[0], *before[2:]) == (after[0], *after[2:])
    assert signal.getsignal(signal.SIGTERM) is handler
    assert list(tmp_path.iterdir()) == []


class Interrupts(Net):
    def on_train_start(self) -> None:
        raise KeyboardInterrupt


def test_a_ctrl_c_stays_one() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tried(Interrupts)
    assert signal.getsignal(signal.SIGINT) is handler


class Elsewhere(Net):
    def configure_callbacks(self) -> Any:
        return [ModelCheckpoint(dirpath="mine", every_n_train_steps=1), ModelCheckpoint()]


class InTheWay(Net):
    def configure_callbacks(self) -> Any:
        return ModelCheckpoint(self.trainer.default_root_dir, save_last=True)


def test_the_modules_own_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (note,) = tried(Elsewhere).notes
    assert note == f"note: a ModelCheckpoint writes to {tmp_path.resolve()}/mine, which all trials share"
    assert list(tmp_path.iterdir()) == []
    assert "writes into the trial's own folder; leave dirpath out" in refused(InTheWay)


class Hangs(Net):
    def on_train_start(self) -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(600)


class Dies(Net):
    def on_train_start(self) -> None:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "of-a-dry-run"])
        os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.slow
def test_a_child_leaves_nothing_whatever_becomes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = ForkServer(["tests.preflight.test_isolation"])
    # Workers of a DataLoader of an earlier test live until their iterator is collected.
    earlier = set(multiprocessing.active_children())
    assert dry_run(server, study(Net, InWorkers), None, None) == DryRun()
    (line,) = dry_run(server, study(Broken), None, None).mistakes
    assert line.endswith("; --workers 0 shows the traceback")
    (late,) = dry_run(server, study(Hangs), None, 0.5).notes
    assert late == "note: a dry run was not done within 0.5 s (--trial-timeout)"
    (dead,) = dry_run(server, study(Dies), None, None).notes
    assert dead == "note: the process of a dry run died: exit code -11"
    assert set(multiprocessing.active_children()) <= earlier
    assert not [one for one in psutil.process_iter(["cmdline"]) if "of-a-dry-run" in (one.info["cmdline"] or [])]
    assert list(tmp_path.glob("lightsearch-*")) == []
