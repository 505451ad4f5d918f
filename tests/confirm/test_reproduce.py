"""A trial run again, and what is said where its curve differs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from lightsearch.confirm.curves import read_curve
from lightsearch.confirm.reproduction import compare
from tests.conftest import command, enter


def test_equal_curves() -> None:
    found = compare(3, {"val_acc": [0.1, 0.2]}, {"val_acc": [0.1, 0.2], "val_loss": [1.0, 2.0]}, [], [])
    assert found.same
    assert found.lines() == ["trial 3 is reproduced to the bit: val_acc in all 2 epochs"]


def test_curves_that_differ() -> None:
    now = {"val_acc": [0.1, 0.25], "val_loss": [1.0, 0.5]}
    found = compare(3, {"val_acc": [0.1, 0.2], "val_loss": [1.0, 0.5]}, now, ["versions.torch: 1 then, 2 now"], [])
    assert not found.same
    assert found.first_difference == 1
    assert found.largest == {"val_acc": pytest.approx(0.05), "val_loss": 0.0}
    assert found.lines()[-1] == "changed since: versions.torch: 1 then, 2 now"


def test_another_number_of_epochs() -> None:
    found = compare(3, {"val_acc": [0.1, 0.2]}, {"val_acc": [0.1]}, [], ["the trial's CPU threads"])
    assert not found.same
    assert found.first_difference is None
    assert found.lines()[0] == "trial 3 is not reproduced to the bit: 2 epochs then, 1 now"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that has pruned trials."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("reproduce"), patch)
    words = ("--set", "trainer.max_epochs=5", "--set", "pruner={name='ThresholdPruner', init_args={lower=0.8}}")
    ended = command("run", "--n-trials", 5, *words, cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place


def numbers(place: Path, kind: str) -> list[int]:
    files = sorted((place / "studies" / "digits").glob("trial-*/result.json"))
    outcomes: list[dict[str, Any]] = [json.loads(file.read_text()) for file in files]
    return [outcome["number"] for outcome in outcomes if outcome["kind"] == kind]


@pytest.mark.parametrize("kind", ["complete", "pruned"])
def test_a_trial_is_reproduced_to_the_bit(searched: Path, kind: str) -> None:
    number = numbers(searched, kind)[0]
    ended = command("retrain", "--reproduce", number, cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"trial {number} is reproduced to the bit: " in ended.stdout


EARLY_STOPPING = "pytorch_lightning.callbacks.EarlyStopping"
STOPPER = f'callbacks=[{{class_path="{EARLY_STOPPING}", init_args={{monitor="val_loss", patience=9, min_delta=50.0}}}}]'
STALLS = ("space.data.batch_size={choice=[128, 256]}", "trainer.patience=1", "trainer.min_delta=1.0")


@pytest.mark.parametrize(
    ("total", "sets", "reason"),
    [
        (("--n-trials", 1), ("trainer.max_epochs=30", STOPPER), "EarlyStopping(val_loss)"),
        (("--epochs", 6), ("trainer.max_epochs=60", "trainer.check_val_every_n_epoch=2"), "early_stopping"),
        (("--n-trials", 1), ("trainer.max_epochs=9", "trainer.patience=3", "sampler=RandomSampler"), "early_stopping"),
    ],
)
def test_a_trial_that_was_stopped_early_is_reproduced_to_its_end(
    place: Path, total: tuple[str, int], sets: tuple[str, ...], reason: str
) -> None:
    words = [word for one in (*STALLS, *sets) for word in ("--set", one)]
    ended = command("run", *total, "--workers", 1, *words, cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    outcome = json.loads((place / "studies" / "digits" / "trial-0000" / "result.json").read_text())
    assert (outcome["kind"], outcome["stop_reason"]) == ("complete", reason)
    assert outcome["epochs"] > 2, "it ended where early stopping acts in training"
    again = command("retrain", "--reproduce", 0, cwd=place)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"in all {outcome['epochs']} epochs" in again.stdout


def test_another_curve_is_told_with_exit_status_1(searched: Path) -> None:
    number = numbers(searched, "complete")[0]
    path = searched / "studies" / "digits" / f"trial-{number:04d}" / "epochs.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[2]["val_loss"] = str(float(rows[2]["val_loss"]) + 1e-7)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    ended = command("retrain", "--reproduce", number, cwd=searched)
    assert ended.returncode == 1
    assert "is not reproduced to the bit" in ended.stdout
    assert "the first difference is in epoch 3" in ended.stdout
    path.unlink()  # the storage has the study's metric
    ended = command("retrain", "--reproduce", number, cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"trial {number} is reproduced to the bit: val_acc in all" in ended.stdout


def test_a_trial_that_is_not_there(searched: Path) -> None:
    ended = command("retrain", "--reproduce", 77, cwd=searched)
    assert ended.returncode == 2
    assert ended.stderr == "--reproduce = 77: no such trial; its trials are 0 to 4\n"


def test_no_curve(tmp_path: Path) -> None:
    assert read_curve(tmp_path / "epochs.csv") == {}
