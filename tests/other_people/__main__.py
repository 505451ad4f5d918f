"""Prints the table: ``python -m tests.other_people [NAME ...]``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from lightsearch.launchers.fork_server import ForkServer
from tests.other_people.journey import Journey, travel
from tests.other_people.table import TABLE

MODULES = Path(__file__).parent / "modules"
HEAD = (
    "module",
    "what is special in it",
    "packs",
    "a metric alone, in a pack",
    "best value: recorded, plain Lightning",
    "test: recorded, plain Lightning",
    "problems",
)


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        shutil.copytree(MODULES, home)
        sys.path.insert(0, str(home))
        ForkServer(sorted(file.stem for file in home.glob("*.py")))
        print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD))
        for name in names or TABLE:
            alone, packed = (_travel(name, Path(folder, f"{name}-{pack}"), pack) for pack in (1, 4))
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in row(alone, packed)) + " |", flush=True)
        os.chdir("/")


def _travel(name: str, place: Path, pack: int) -> Journey:
    place.mkdir()
    os.chdir(place)
    return travel(name, TABLE[name], pack)


def row(alone: Journey, packed: Journey) -> list[str]:
    """The cells of one module."""
    metric = next((name for name in packed.alone if "train" in name), packed.case.metric)
    pair = f"{metric}: {packed.alone[metric][-1]:.5g}, {packed.packed[metric][-1]:.5g}" if packed.alone else "-"
    tests = "; ".join(
        f"{name}: {value:.5g}, {alone.tested_plain.get(name, float('nan')):.5g}" for name, value in alone.tested.items()
    )
    problems = [problem.splitlines()[0][:160] for problem in (*alone.problems, *packed.problems)]
    values = f"{alone.value:.5g}, {alone.value_plain:.5g}"
    return [alone.name, alone.case.idiom, packed.packs, pair, values, tests or "-", "<br>".join(problems) or "none"]


if __name__ == "__main__":
    main(sys.argv[1:])
