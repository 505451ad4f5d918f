"""A search that stops by itself, and goes on when it is told to."""

import json
from pathlib import Path

from tests.conftest import command

SMALL = ["--set", "trainer.max_epochs=1", "--workers", "2", "--pack", "off", "--set", "pruner.name=NopPruner"]
SMALL += ["--set", "pruner.init_args={}"]


def test_a_search_stops_by_itself(place: Path) -> None:
    rule = ["--set", "stop={patience=2, min_delta=1.0}"]
    stopped = command("run", "--n-trials", 30, *SMALL, *rule, cwd=place)
    assert stopped.returncode == 0, stopped.stderr
    assert "stopped by itself: the last" in stopped.stdout
    assert "trials brought no improvement of more than 1" in stopped.stdout
    results = json.loads((place / "studies" / "digits" / "results.json").read_text())
    assert results["runs"][-1]["ending"] == "satisfied"
    assert set(results["counts"]["states"]) == {"complete"}  # those that ran beside the last one were finished
    n_trials = results["counts"]["states"]["complete"]
    assert 3 <= n_trials <= 4
    again = command("run", "--n-trials", 30, *SMALL, *rule, cwd=place)
    assert "to go on, change [stop]" in again.stdout
    on = command("run", "--n-trials", n_trials + 1, *SMALL, "--set", "stop={min_gain=1e-9, horizon=10}", cwd=place)
    assert f"done. {n_trials + 1} complete" in on.stdout, on.stdout + on.stderr
