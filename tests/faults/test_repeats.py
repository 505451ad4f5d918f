"""A worker that is killed in a further run of a trial costs no epoch of a checkpoint."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.conftest import command, start
from tests.faults.helpers import load, wait_for, workers

SEEDS = (
    *("--n-trials", 1, "--workers", 1, "--set", "validation={seeds=3}", "--set", "scheduler={name='none'}"),
    *(
        "--set",
        "trainer.max_epochs=10",
        "--set",
        "trainer.patience=0",
        "--set",
        "space.data={batch_size={choice=[32]}}",
    ),
)


def epochs_in(folder: Path) -> list[dict[str, float]]:
    try:
        with (folder / "epochs.csv").open(newline="") as file:
            return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    except OSError:
        return []


@pytest.mark.slow
def test_a_killed_worker_goes_on_in_the_middle_of_a_further_run(place: Path) -> None:
    folder = place / "studies" / "digits" / "trial-0000"
    process = start("run", *SEEDS, cwd=place)
    wait_for(lambda: len(epochs_in(folder / "seed-1")) >= 4)
    kept = {run: epochs_in(folder / run)[:3] for run in (".", "seed-1")}
    workers(process)[0].kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "going on from its last checkpoint, attempt 2" in output
    for run, rows in kept.items():  # with their times: these epochs were not trained again
        assert epochs_in(folder / run)[:3] == rows
    (trial,) = load(place).trials
    assert list(trial.intermediate_values) == list(range(10))
    assert trial.user_attrs["validation"]["epochs"] == 20
    assert trial.user_attrs["result"]["epochs"] == 30
    assert not list(folder.glob("seed-*/*.ckpt"))

    whole = command("run", "--name", "whole", *SEEDS, cwd=place)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    other = place / "studies" / "whole" / "trial-0000"
    for run in (".", "seed-1", "seed-2"):
        assert [row["val_acc"] for row in epochs_in(folder / run)] == [row["val_acc"] for row in epochs_in(other / run)]
