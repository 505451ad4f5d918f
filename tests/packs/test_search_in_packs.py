"""A whole search in packs, from its calibration to its results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightsearch import Classifier
from lightsearch.packs.calibration import prove
from lightsearch.packs.packing import MIN_SPEEDUP, worthwhile_speedup
from lightsearch.packs.timing import time_packs, until_clear
from tests.conftest import command, digits


def test_a_calibration_proves_and_times(place: Path) -> None:
    study_file = digits("space.data={batch_size={choice=[32]}}")
    proof = prove(study_file, None, 4)
    assert proof.incompatibility is None
    assert len(proof.proved) == 1, "all widths have one structure"
    timing = time_packs(study_file, None, 4, proof, 1.2)
    assert timing.failure is None
    assert timing.speedup > 0
    assert prove(digits("trainer.gradient_clip_val=1.0"), None, 2).incompatibility == "gradient_clip_val = 1.0"


def test_no_round_is_timed_once_the_result_is_clear() -> None:
    assert list(until_clear(iter([2.0, 1.0, 1.0]), 1.2)) == [2.0]
    assert list(until_clear(iter([1.3, 0.7, 1.0]), 1.2)) == [1.3, 0.7]
    assert list(until_clear(iter([1.3, 1.1, 1.0]), 1.2)) == [1.3, 1.1, 1.0]


def test_packs_pay_from_a_higher_speedup_where_many_trials_at_a_time_learn_late() -> None:
    assert worthwhile_speedup(2, 8, learns=False) == worthwhile_speedup(16, 4, learns=False) == MIN_SPEEDUP
    assert MIN_SPEEDUP < worthwhile_speedup(2, 4, learns=True) < worthwhile_speedup(2, 8, learns=True)
    assert worthwhile_speedup(2, 4, learns=True) < worthwhile_speedup(8, 4, learns=True) < 4, (
        "never more than a pack has"
    )


def test_a_search_in_packs(place: Path) -> None:
    ran = command("run", "--n-trials", 12, "--pack", 4, "--set", "trainer.max_epochs=8")
    assert ran.returncode == 0, ran.stderr
    assert "trials train in packs of 4" in ran.stdout
    results = json.loads((place / "studies/digits/results.json").read_text())
    assert results["counts"]["states"].get("complete", 0) + results["counts"]["states"].get("pruned", 0) == 12
    outcomes = [json.loads(file.read_text()) for file in sorted(place.glob("studies/digits/trial-*/result.json"))]
    assert results["runs"][0]["packing"] == "trials train in packs of 4: proved equal to one by one"
    assert len(outcomes) == 12
    assert {outcome["stop_reason"] for outcome in outcomes} & {"not_resumed", "early_stopping"}
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
