"""A study whose space is widened between two searches: refused, widened, searched on; its trials stay themselves."""

import json
from pathlib import Path

from tests.conftest import command

SMALL = ["--set", "trainer.max_epochs=1", "--set", "sampler={name='RandomSampler'}", "--workers", "1", "--pack", "off"]
NARROW = ["--set", "space={model={hidden_size={choice=[8, 16]}}}"]
WIDE = ["--set", "space={model={hidden_size={choice=[4, 8, 16, 32]}, learning_rate={float=[1e-4, 1e-1], log=true}}}"]


def test_a_search_goes_on_in_a_wider_space(place: Path) -> None:
    assert command("run", "--n-trials", 2, *SMALL, *NARROW, cwd=place).returncode == 0
    refused = command("run", "--n-trials", 4, *SMALL, *WIDE, cwd=place)
    assert refused.returncode == 2
    assert "--widen continues this study in it" in refused.stderr
    wider = command("run", "--n-trials", 4, "--widen", *SMALL, *WIDE, cwd=place)
    assert wider.returncode == 0, wider.stderr
    results = json.loads((place / "studies" / "digits" / "results.json").read_text())
    assert [widened["trials"] for widened in results["widened"]] == [2]
    assert results["counts"]["kinds"].get("complete", 0) + results["counts"]["kinds"].get("pruned", 0) == 4
    assert {entry["params"]["learning_rate"] for entry in results["leaders"] if entry["number"] < 2} <= {1e-3}
    assert "after 2 trials: space.model.hidden_size.choice" in command("status", "--study", "digits", cwd=place).stdout
    again = command("retrain", "--study", "digits", "--reproduce", 0, cwd=place)
    assert "reproduced to the bit" in again.stdout, again.stdout + again.stderr
