"""What a trial uses of the machine: measured alone, of its pack where it has one, and over its attempts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lightsearch.training.usage import Usage
from tests.conftest import command


def work(seconds: float) -> None:
    began = os.times().user
    while os.times().user - began < seconds:
        sum(range(10_000))


def test_processor_time_and_memory_of_this_process(tmp_path: Path) -> None:
    usage = Usage(tmp_path / "result.json", 1, shared=False)
    work(0.3)
    held = bytearray(os.urandom(1_000_000)) * 64
    found = usage.found()
    assert found["cpu_seconds"] is not None
    assert found["memory_mb"] is not None
    assert 0.3 <= found["cpu_seconds"] < 30
    assert found["memory_mb"] > len(held) / 1e6
    assert found["gpu_memory_mb"] is None


def test_attempts_are_summed_and_a_pack_makes_processor_time_unknown(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    result.write_text(json.dumps({"cpu_seconds": 100.0, "memory_mb": 1e6}))
    found = Usage(result, 2, shared=False).found()
    assert found["cpu_seconds"] is not None
    assert 100 <= found["cpu_seconds"] < 110
    assert found["memory_mb"] == 1e6
    first = Usage(result, 1, shared=False).found()["cpu_seconds"]
    assert first is not None
    assert first < 10, "the file is another study's"
    assert Usage(result, 2, shared=True).found()["cpu_seconds"] is None
    result.write_text(json.dumps({"cpu_seconds": None, "memory_mb": 5.0}))
    assert Usage(result, 2, shared=False).found()["cpu_seconds"] is None


@pytest.mark.parametrize(("pack", "known"), [("off", True), ("2", False)])
def test_a_search_records_them(place: Path, pack: str, known: bool) -> None:
    ran = command("run", "--n-trials", 4, "--pack", pack, "--set", "trainer.max_epochs=2", cwd=place)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    outcomes = [json.loads(file.read_text()) for file in place.glob("studies/digits/trial-*/result.json")]
    assert len(outcomes) >= 4
    assert all(one["memory_mb"] > 50 for one in outcomes)
    assert [one["cpu_seconds"] is not None for one in outcomes] == [known] * len(outcomes)
    assert command("report", cwd=place).returncode == 0
    header, first, *_ = (place / "reports/digits/trials.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=False))
    assert (row["cpu_seconds"] != "") == known
    assert "gpu_memory_mb" not in row
