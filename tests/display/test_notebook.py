"""A search in a real notebook: a class of a cell, and a picture that stays in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.conftest import environment

CELLS = (
    """
import lightsearch
from lightsearch.data import ImageData

class Mine(lightsearch.Classifier):
    def __init__(self, in_features: int, num_classes: int, hidden_size: int = 8):
        super().__init__(in_features, num_classes, hidden_size=hidden_size)
""",
    """
lightsearch.search(
    {"model": Mine, "data": ImageData, "space": {"model": {"hidden_size": {"int": [8, 32]}}}},
    n_trials=3, name="cells", trainer={"max_epochs": 2},
)
""",
    """
def objective(trial):
    return trial.suggest_float("x", 0, 1) * SCALE

SCALE = 100
lightsearch.search(objective, n_trials=4, name="function", direction="minimize").best.value < SCALE
""",
)


@pytest.mark.slow
def test_classes_and_functions_of_cells(place: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(place)}})
    client.execute(env=environment())
    (_, *searched), (*_, of_function) = notebook.cells[1].outputs, notebook.cells[2].outputs
    pictures = [html(output) for output in searched if "trials</span>" in html(output)]
    assert len(pictures) == 1  # replaced in its place, again and again
    assert "3/3 trials" in pictures[0]
    assert "best val_acc: " in pictures[0]
    assert searched[-1]["data"]["text/plain"].startswith("<SearchResult cells: done, 3 trials, best ")
    assert "<svg" in html(searched[-1])
    assert of_function["data"]["text/plain"] == "True"


def html(output: Any) -> str:
    return str(output.get("data", {}).get("text/html", ""))
