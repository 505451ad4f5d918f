"""A whole search in packs, from its calibration to its results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightsearch import Classifier
from lightsearch.packs.calibration import calibrate
from tests.conftest import command, digits


def test_a_calibration_proves_and_times(place: Path) -> None:
    found = calibrate(digits("space.data={batch_size={choice=[32]}}"), None, 4)
    assert found.incompatibility is None
    assert len(found.proved) == 1, "all widths have one structure"
    assert found.speedup > 0
    assert calibrate(digits("trainer.gradient_clip_val=1.0"), None, 2).incompatibility == "gradient_clip_val = 1.0"


def test_a_search_in_packs(place: Path) -> None:
    ran = command("run", "--n-trials", 12, "--pack", 4, "--set", "trainer.max_epochs=8")
    assert ran.returncode == 0, ran.stderr
    assert "trials train in packs of 4" in ran.stdout
    results = json.loads((place / "studies/digits/results.json").read_text())
    assert results["counts"]["states"].get("complete", 0) + results["counts"]["states"].get("pruned", 0) == 12
    outcomes = [json.loads(file.read_text()) for file in sorted(place.glob("studies/digits/trial-*/result.json"))]
    assert len(outcomes) == 12
    assert {outcome["stop_reason"] for outcome in outcomes} & {"pruned", "early_stopping"}
    assert all(len(outcome["epoch_seeds"]) == outcome["epochs"] for outcome in outcomes)
    best = Classifier.load_from_checkpoint(place / "studies/digits" / results["best"]["checkpoint"], weights_only=True)
    assert best.hparams["hidden_size"] == results["best"]["params"]["hidden_size"]

    reproduced = command("retrain", "--reproduce", results["best"]["number"])
    assert reproduced.returncode == 0, reproduced.stdout + reproduced.stderr
    assert "trained in a pack" in reproduced.stdout


@pytest.mark.slow
def test_the_same_list_has_the_same_winner(place: Path) -> None:
    configurations = [(16, 1e-4), (32, 3e-4), (128, 3e-3), (24, 9e-2), (48, 2e-4), (64, 5e-4)]
    enqueue = ", ".join(f"{{hidden_size={h}, learning_rate={rate}, batch_size=32}}" for h, rate in configurations)
    options = ("--set", f"enqueue=[{enqueue}]", "--set", "trainer.max_epochs=4", "--set", "pruner={name='NopPruner'}")
    results = {}
    for name, pack in (("alone", "off"), ("packed", 3)):
        ran = command("run", "--name", name, "--n-trials", 6, "--pack", pack, *options)
        assert ran.returncode == 0, ran.stderr
        results[name] = json.loads((place / "studies" / name / "results.json").read_text())
    assert results["alone"]["best"]["number"] == results["packed"]["best"]["number"] == 2
    values = [{entry["number"]: entry["value"] for entry in results[name]["leaders"]} for name in results]
    # The orders of batches differ, so that they are equal as two seeds are.
    assert all(abs(values[0][number] - values[1][number]) < 0.08 for number in range(6))
