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


FLOORS = (
    ("__main__",),
    ("api", "cli", "control", "tables"),
    ("confirm",),
    ("coordinator",),
    ("preflight",),
    ("launchers", "report"),
    ("packs",),
    ("training", "display"),
    ("study",),
    ("storage", "data", "models"),
    ("machine",),
    ("declare",),
    ("compat",),
    ("paths", "outcome"),
    ("atomic_files", "signals", "python_words"),
    ("errors",),
    ("credentials",),
)
"""Rooms, and the files that every room knows, from the top: a file imports from its own room and from lower floors."""
FLOOR = {room: -number for number, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(module: str) -> str:
    """``lightsearch.study.origin`` is in ``study``; the package's own file, which only forwards, is in none."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_go_down(file: Path) -> None:
    room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # it forwards to the names that users know
    assert room in FLOOR, f"{room} is on no floor"
    assert not uses(file, "search")
    others = {name for name in imported(file) if name.startswith("lightsearch.") and room_of(name) != room}
    assert not {name for name in others if room_of(name) in FLOOR and FLOOR[room_of(name)] >= FLOOR[room]}


@pytest.mark.parametrize("room", ["declare", "storage", "study", "machine", "display", "cli", "report"])
def test_torch_is_not_imported_at_module_level(room: str) -> None:
    for file in (SOURCE / room).rglob("*.py"):
        assert not {name.partition(".")[0] for name in imported(file, late=False)} & {*SLOW, "pandas"} - (
            {"pandas"} if room == "report" else set()
        ), file


KNOW_OPTUNA = {"function_trial.py", "pruning.py", "calibration.py", "proof.py"}
"""Where a trial is one of a study's, or its parameters are drawn."""


def test_model_data_and_the_fit_do_not_know_optuna() -> None:
    rooms = [file for room in ("models", "data", "training", "packs") for file in (SOURCE / room).glob("*.py")]
    assert {file.name for file in rooms if uses(file, "optuna") or uses(file, "optuna_integration")} == KNOW_OPTUNA


def test_only_the_evaluation_opens_the_test_set() -> None:
    importers = {file.name for file in FILES if uses(file, "lightsearch.data.test_set")}
    assert importers == {"evaluation.py"}
    readers = {file.name for file in FILES if "train=False" in file.read_text(encoding="utf-8")}
    assert readers == {"test_set.py"}


def test_only_parameters_sample() -> None:
    calling = {file.name for file in FILES if "trial.suggest_" in file.read_text(encoding="utf-8")}
    assert calling == {"parameters.py", "scalars.py"}


@pytest.mark.parametrize("module", ["lightsearch", "lightsearch.api", "lightsearch.coordinator.pipeline"])
def test_what_must_start_at_once_imports_nothing_slow(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert not SLOW & set(loaded.stdout.split())


def test_a_search_starts_its_fork_server_before_it_imports_optuna() -> None:
    code = (
        "import sys\nfrom lightsearch.cli import app, command\n"
        "from lightsearch.declare.reading import read_declaration\n"
        "from lightsearch.launchers import early_start\n"
        "app._app()\nread_declaration(command.study_path('studies/digits.toml'), [])\nprint(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(), cwd=ROOT
    )
    assert not (SLOW | {"optuna"}) & set(loaded.stdout.split())


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
    assert f"Usage: lightsearch {name}" in text
    assert not (SLOW | {"optuna", "pandas", "plotly"}) & set(modules.split())


def test_the_commands_are_listed_together() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "search"], capture_output=True, text=True, check=True, env=environment(), cwd=ROOT
    )
    assert all(f"\n  {name} " in ran.stdout for name in COMMANDS)
