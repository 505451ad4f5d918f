"""The command of the yardstick of search efficiency, and the surrogate that answers it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.search_efficiency.methods import METHODS
from tests.benchmarks.search_efficiency.problem import study_of
from tests.benchmarks.search_efficiency.setup import Setup
from tests.conftest import ROOT, environment


def surrogate() -> Path:
    pytest.importorskip("onnxruntime", reason="the extra bench is not installed")
    folder = Path(os.environ.get("LIGHTSEARCH_DATA", ROOT.parent / "shared" / "data")) / "lcbench"
    if not folder.exists():
        pytest.skip("the surrogate of LCBench is not here")
    return folder


def command(*words: str) -> subprocess.CompletedProcess[str]:
    module = [sys.executable, "-m", "tests.benchmarks.search_efficiency"]
    options = {"cwd": ROOT, "env": environment(), "text": True, "capture_output": True, "timeout": 300}
    return subprocess.run([*module, *words], check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_the_command_reports_means_over_tasks_and_seeds(tmp_path: Path) -> None:
    folder, file = surrogate(), tmp_path / "found.json"
    tasks = ",".join(list(json.loads((folder / "reference.json").read_text()))[:2])
    words = ["--surrogate", str(folder), "--tasks", tasks, "--seeds", "2", "--processes", "1", "--workers", "3"]
    words += ["--method", "optuna-random", "--json", str(file)]
    ran = command(*words)
    assert ran.returncode == 0, ran.stderr
    assert "8/8 searches (optuna-random)" in ran.stderr
    assert "epochs of 3 workers, relative to those of 1" in ran.stdout
    found = json.loads(file.read_text())["methods"]
    assert list(found) == ["optuna-random"]
    assert found["optuna-random"]["n"] == 4
    mean = found["optuna-random"]["mean"]
    assert mean == sorted(mean, reverse=True)
    assert mean[0] > mean[-1] > -0.2


def test_random_configurations_have_the_regrets_that_the_reference_says() -> None:
    from tests.benchmarks.search_efficiency.surrogate import Surrogate

    folder = surrogate()
    problem = Surrogate(folder, folder / "reference.json")
    task = next(iter(problem.scales))
    search, objective = METHODS["optuna-random"](Setup(study_of(problem, 5))), problem.objective(task)
    best = [objective(search.ask().params).values.max() for _ in range(200)]  # type: ignore[union-attr]
    above = np.mean(np.array(best) > problem.scales[task].median)
    assert abs(above - 0.5) < 4 * 0.5 / math.sqrt(200)
    assert max(best) < problem.scales[task].highest + 1


def test_a_task_that_the_reference_lacks_is_refused(tmp_path: Path) -> None:
    folder = surrogate()
    task, known = next(iter(json.loads((folder / "reference.json").read_text()).items()))
    reference = tmp_path / "reference.json"
    reference.write_text(json.dumps({task: known}))
    words = ["--surrogate", str(folder), "--reference", str(reference), "--tasks", "1", "--method", "none"]
    ran = command(*words)
    assert ran.returncode == 1
    assert ran.stderr == f"--tasks 1: not in the reference; it has {task}\n"


def test_a_folder_without_a_surrogate_is_refused_in_one_line(tmp_path: Path) -> None:
    ran = command("--surrogate", str(tmp_path))
    assert ran.returncode == 1
    assert ran.stderr == f"{tmp_path}/config_space.json: no such file\n"
