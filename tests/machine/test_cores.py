"""How trials share the cores."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lightsearch.machine import cores
from lightsearch.machine.cores import check_threads, threads_for, workers_that_fit
from tests.conftest import environment


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_one_worker_takes_all_cores_and_several_share_them() -> None:
    assert [threads_for(workers, 1) for workers in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    assert threads_for(2, 2) == 2
    assert workers_that_fit(50, 0, 1) == 8
    assert workers_that_fit(3, 0, 2) == 3
    assert workers_that_fit(50, 2, 1) == 2


def test_what_is_asked_for_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_for(1, 1, 3) == 3
    assert workers_that_fit(50, 0, 1, 4) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert threads_for(1, 1) == 2
    assert threads_for(1, 1, 3) == 3
    assert workers_that_fit(50, 0, 1) == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert workers_that_fit(50, 0, 1) == 1


def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_threads(None) == check_threads(4) == []
    for threads in (0, -1, 4000):
        assert str(check_threads(threads)[0]) == f"--threads = {threads}: write a number from 1 to 1024"
    for given in ("many", "0", "-2"):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert "is no number of threads" in str(check_threads(None)[0])
        assert check_threads(4) == []
        assert threads_for(1, 1) == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_that_is_bound_to_one_core_uses_one() -> None:
    script = (
        "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n"
        "from lightsearch.machine.cores import threads_for, workers_that_fit\n"
        "print(threads_for(1, 1), workers_that_fit(9, 0, 1))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout == "1 1\n"
