"""The benchmarks still start: a module that moves takes their imports with it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import tests.ray_cluster  # noqa: F401  (its settings come before Ray's import)
from tests.conftest import ROOT, environment

FILES = sorted(file.relative_to(ROOT) for file in Path(__file__).parent.rglob("*.py") if file.stem != "ray_tune")


@pytest.mark.parametrize("module", [".".join(file.with_suffix("").parts) for file in FILES])
def test_it_imports(module: str) -> None:
    importlib.import_module(module)


@pytest.mark.slow
def test_the_one_with_ray_tune_imports() -> None:
    pytest.importorskip("ray.tune", reason="Ray Tune is not installed")
    importlib.import_module("tests.benchmarks.ray_tune")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("overhead", ["--trials", "3"], "3 trials, one after the other: "),
        ("long_study", ["--trials", "10"], "search.report: "),
        (
            "scaling",
            ["--storages", "sqlite", "--finished", "5", "--sizes", "2", "--coordinators", "1", "--seconds", "1"],
            "trials per second",
        ),
    ],
)
def test_it_runs(tmp_path: Path, name: str, options: list[str], line: str) -> None:
    output = ["--output", str(tmp_path / "page.md")] if name == "scaling" else []
    words = [sys.executable, "-m", f"tests.benchmarks.{name}", *options, *output]
    ran = subprocess.run(words, cwd=ROOT, env=environment(), text=True, capture_output=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert line in ran.stdout
