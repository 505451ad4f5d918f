"""The fork server is killed during a search, at several moments."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.helpers import Started, check_whole, epochs_reported, load, wait_for


def fork_servers(coordinator: int) -> list[psutil.Process]:
    children = psutil.Process(coordinator).children()
    return [one for one in children if "forkserver import main" in " ".join(one.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("pack", ["off", 2])
def test_it_is_started_again_and_the_total_is_exact(place: Path, started: Started, pack: object) -> None:
    process = started("--n-trials", 4, "--workers", 2, "--pack", pack, fresh=True)
    chance = random.Random(4)
    wait_for(lambda: bool(fork_servers(process.pid)))
    time.sleep(chance.uniform(0, 3))
    for kill in range(3):  # the first while it imports, or in the preflight
        wait_for(lambda: bool(fork_servers(process.pid)))
        for server in fork_servers(process.pid):
            server.kill()
        wait_for(lambda kill=kill: epochs_reported(place, 4 + 7 * kill))
        time.sleep(chance.uniform(0, 0.5))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "its parent fork server was killed" in output
    check_whole(place, 4)
    assert {trial.user_attrs["kind"] for trial in load(place).trials} == {"complete"}
