"""A trial needs more memory than there is: it fails, other trials do not, and the memory is freed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import command, environment
from tests.faults.helpers import load

MODEL = """
from pathlib import Path
import torch
from lightsearch import Classifier

class Greedy(Classifier):
    def on_train_start(self):
        if Path(self.trainer.default_root_dir).name == "trial-0000":
            {eat}
"""
OPTIONS = ("--set", "model.class_path=greedy.Greedy", "--set", "trainer.max_epochs=2", "--n-trials", 3)


def kinds(place: Path) -> list[str]:
    return [trial.user_attrs["kind"] for trial in load(place).trials]


@pytest.mark.parametrize("eat", ["torch.empty(10**15)", pytest.param("bytearray(10**15)", marks=pytest.mark.slow)])
def test_an_allocation_that_fails(place: Path, eat: str) -> None:
    (place / "greedy.py").write_text(MODEL.format(eat=eat))
    done = command("run", *OPTIONS, "--set", "pruner={name='NopPruner'}", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert kinds(place) == ["out_of_memory", "complete", "complete", "complete"]


def test_a_worker_that_the_kernel_kills(place: Path, small_group: Path) -> None:
    (place / "greedy.py").write_text(MODEL.format(eat="self.eaten = [torch.ones(2**24) for _ in range(200)]"))
    words = [sys.executable, "-m", "search.run", *map(str, OPTIONS), "--set", "pruner={name='NopPruner'}"]

    def enter() -> None:
        (small_group / "cgroup.procs").write_text(str(os.getpid()))

    done = subprocess.run(
        words, cwd=place, env=environment(), text=True, capture_output=True, check=False, preexec_fn=enter
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = kinds(place)  # the kernel may choose a process beside the greedy one, too
    assert found[0] == "out_of_memory"
    assert found.count("complete") == 3
    assert set(found) == {"out_of_memory", "complete"}
    assert "the kernel killed its process: the memory was full" in done.stdout
