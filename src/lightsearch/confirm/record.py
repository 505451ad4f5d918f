"""What is kept of the final model: ``final.json``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from lightsearch.confirm.evaluation import Evaluation
from lightsearch.confirm.runs import Run

CHECKPOINT, PROGRAM, FACTS = "model.ckpt", "model.pt2", "final.json"
ALL_FILES = (CHECKPOINT, FACTS, "README.md")


class ClassFigures(BaseModel):
    """One class in the test. A figure without a denominator is None."""

    model_config = ConfigDict(frozen=True)

    name: str
    samples: int = Field(validation_alias=AliasChoices("samples", "images"))  # as it was called once
    """Test samples of it."""
    recall: float | None
    """Of its samples, the share that was taken for it."""
    precision: float | None
    """Of the samples taken for it, the share that is of it."""


class Program(BaseModel):
    """The ``torch.export`` archive."""

    model_config = ConfigDict(frozen=True)

    file: str | None
    """None: the model cannot be exported."""
    largest_difference: float | None = None
    """Largest difference between its logits and the model's, over batches of several sizes."""
    reason: str | None = None
    """Why the model cannot be exported."""


class Weights(BaseModel):
    """Whether ``model.ckpt`` loads by itself: it was loaded, and the model compared."""

    model_config = ConfigDict(frozen=True)

    needs: list[str] = []
    """Constructor arguments that ``load_from_checkpoint`` has to be given: they are no plain types."""
    differs: list[str] = []
    """What it does not bring back."""
    error: str | None = None
    """Why ``load_from_checkpoint`` cannot load it."""
    source: str | None = None
    """The file of the class, if it lies in the folder that the command was started in."""


class Final(BaseModel):
    """Everything known of the model handed over: ``final.json``."""

    model_config = ConfigDict(frozen=True)

    study: str
    run: Run
    """How it was trained."""
    epochs: int
    """Epochs that it was trained for."""
    seconds: float
    device: str
    threads: int
    sha256: str
    """The digest of the run's checkpoint, whose weights these are."""
    evaluation: Evaluation | None
    """Its one use of the test set: accuracy with a 95% interval, loss. None: it is untested."""
    untested: str | None = None
    """Why."""
    confusion: list[list[int]] | None
    """Test samples by class (row) and by what they were taken for (column)."""
    classes: list[ClassFigures]
    weights: Weights = Weights()
    arguments: dict[str, str] = {}
    """The model's constructor arguments as they are written in Python, shortened."""
    program: Program
    versions: dict[str, str]
    split_hash: str | None
    study_seed: int


def read_final(folder: Path) -> Final | None:
    """The ``final.json`` of a folder that is complete; None if it is not."""
    if not all((folder / name).is_file() for name in ALL_FILES):
        return None
    try:
        return Final.model_validate(json.loads((folder / FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds something, and that is no model handed over: it must not be replaced."""
    return folder.exists() and any(folder.iterdir()) and not (folder / FACTS).is_file()
