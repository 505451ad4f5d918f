"""The rules of who imports whom, and what starts at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment

SOURCE = ROOT / "src" / "lightsearch"
COMMANDS = sorted(file.stem for file in (ROOT / "search").glob("[a-z]*.py"))
SLOW = {"torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning", "optuna_integration", "sklearn"}


def imported(file: Path, *, late: bool = True) -> set[str]:
    """Modules that a file imports; without ``late`` only those at module level."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if late else iter(tree.body)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def uses(file: Path, package: str, *, late: bool = True) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imported(file, late=late))


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_nothing_in_the_library_imports_the_commands(file: Path) -> None:
    assert not uses(file, "search")


@pytest.mark.parametrize(
    "name", ["classifier.py", "training.py", *(f"data/{f.name}" for f in (SOURCE / "data").glob("*.py"))]
)
def test_model_data_and_training_do_not_know_optuna(name: str) -> None:
    assert not uses(SOURCE / name, "optuna")
    assert not uses(SOURCE / name, "optuna_integration")


def test_only_the_evaluation_opens_the_test_set() -> None:
    importers = {file.name for file in SOURCE.rglob("*.py") if uses(file, "lightsearch.data.test_set")}
    assert importers == {"evaluation.py"}
    readers = {file.name for file in SOURCE.rglob("*.py") if "train=False" in file.read_text(encoding="utf-8")}
    assert readers == {"test_set.py"}


def test_only_the_space_samples() -> None:
    assert {file.name for file in SOURCE.rglob("*.py") if ".suggest_" in file.read_text(encoding="utf-8")} == {
        "space.py"
    }


@pytest.mark.parametrize(
    "module",
    [
        "lightsearch",
        *(f"lightsearch.{name}" for name in ("study_file", "space", "storage", "study", "searching", "api", "runner")),
    ],
)
def test_what_must_start_at_once_imports_nothing_slow(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert not SLOW & set(loaded.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_slow_and_explains_every_option(name: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module('search.{name}', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    text, _, modules = ran.stdout.partition("MODULES")
    assert f"python -m search.{name}" in text
    assert not (SLOW | {"optuna", "pandas", "plotly"}) & set(modules.split())


def test_the_commands_are_listed_together() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "search"], capture_output=True, text=True, check=True, env=environment(), cwd=ROOT
    )
    assert all(f"python -m search.{name}" in ran.stdout for name in COMMANDS)
